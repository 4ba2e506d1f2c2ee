#include <algorithm>

#include "plan/conv_common.h"

/// Convolutions whose input a gate has left constant in places: only the pairs of an open input and
/// an open output are computed.
namespace sluice {
namespace {

constexpr std::int64_t taps = 9;
constexpr std::int64_t sides = 3;  ///< of a map along an extent: its start, its middle, its end

/// What a layer's constant input gives: (k, tap) its product with each tap, and (k, x, y) the sum
/// of those that lie on the map, with the bias, at each of its sides.
struct ConstantPart {
    std::vector<float> products, borders;
};

/// Whether a tap that is `tap` - 1 pixels off lies on the map at this side of it.
constexpr bool is_on_map(std::int64_t tap, std::int64_t side) {
    return !(side == 0 && tap == 0) && !(side == sides - 1 && tap == 2);
}

ConstantPart convolve_constant(const FusedConv& conv, const std::vector<float>& closed,
                               std::int64_t outputs) {
    const std::int64_t channels = conv.weights->shape[1];
    const float* weight = conv.weights->floats().data();
    ConstantPart part{std::vector<float>(std::size_t(taps * outputs)),
                      std::vector<float>(std::size_t(sides * sides * outputs))};
    for (std::int64_t k = 0; k < conv.weights->shape[0]; ++k) {
        double sums[taps] = {};
        for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t tap = 0; tap < taps; ++tap) {
                sums[tap] += double(*weight++) * double(closed[std::size_t(c)]);
            }
        }
        for (std::int64_t tap = 0; tap < taps; ++tap) {
            part.products[std::size_t(tap * outputs + k)] = float(sums[tap]);
        }
        for (std::int64_t side = 0; side < sides * sides; ++side) {
            double sum = conv.bias[std::size_t(k)];
            for (std::int64_t tap = 0; tap < taps; ++tap) {
                const bool counts =
                    is_on_map(tap % 3, side % sides) && is_on_map(tap / 3, side / sides);
                sum += counts ? sums[tap] : 0;
            }
            part.borders[std::size_t(side * outputs + k)] = float(sum);
        }
    }
    return part;
}

/// What kernel_map writes.
struct Pairs {
    Buffer pairs;   ///< (pair, tap)
    Buffer counts;  ///< of each tap, of all of them, and the three ways
};

Buffer one_int(Buffer counts, std::int64_t index) {
    counts.offset += index;
    counts.axes = {{1, 1}};
    return counts;
}

Pairs emit_kernel_map(Builder& builder, const Conv& c, const Kernel& kernel, const GateLists& lists,
                      const TileLists* tiles) {
    // As generators/kernel_map.cpp: positions of a row by eights, as many pairs a write.
    constexpr std::int64_t group = 8;
    const PairsInfo& info = kernel.as<PairsInfo>();
    const std::int64_t width = c.output.axes[1].extent, height = c.output.axes[2].extent;
    const std::int64_t capacity = height * width + std::max<std::int64_t>(info.pixels, group);
    const std::int64_t per_row = round_up(width, group) / group, groups = per_row * height + 1;
    const auto i32 = halide_type_of<std::int32_t>();
    Pairs pairs{builder.scratch(taps * capacity, halide_type_of<std::uint32_t>(),
                                {{capacity, 1}, {taps, capacity}}),
                builder.scratch(taps + 4, i32, {{taps + 4, 1}})};
    Buffer open_tiles = tiles != nullptr
                            ? tiles->open_count
                            : builder.constants.add_ints(std::vector<std::int32_t>{0, 0}, {});
    open_tiles.axes = {{2, 1}};
    const GateLists& from = builder.gated_value(c.node.inputs[0])->lists;
    const WinogradInfo* winograd_info =
        tiles != nullptr ? &c.winograd->as<WinogradInfo>() : nullptr;
    const double tile_time =
        tiles != nullptr ? winograd_info->break_even * winograd_info->side * winograd_info->side
                         : 0;
    Step step;
    step.kernel = find_kernel(Algorithm::kernel_map, builder.target);
    step.node = c.node.name;
    step.shape = "1x" + std::to_string(height) + "x" + std::to_string(width);
    step.arguments = {
        from.masks,
        lists.masks,
        one_int(from.active_count, 0),
        one_int(lists.active_count, 0),
        open_tiles,
        std::int32_t(width),
        std::int32_t(height),
        std::int32_t(c.input.axes[1].stride / c.input_pitch),
        std::int32_t(info.pixels),
        float(1 / (double(taps) * info.break_even)),
        float(tile_time),
        pairs.pairs,
        pairs.counts,
        builder.scratch(per_row * (height + 2), i32, {{per_row, 1}, {height + 2, per_row}}),
        builder.scratch(taps * groups, i32, {{taps, 1}, {groups, taps}})};
    builder.emit(std::move(step));
    return pairs;
}

Step sparse_step(Builder& builder, const Conv& c, const Kernel& kernel, const GateLists& lists,
                 const Pairs& pairs) {
    const std::int64_t block = kernel.block(), outputs = c.outputs;
    const std::int64_t pixels = c.input.axes[1].stride / c.input_pitch * c.output.axes[2].extent;
    const ConstantPart constant =
        convolve_constant(c.conv, builder.gated_value(c.node.inputs[0])->closed, outputs);
    const bool shares_weights = c.kernel->block() == block;
    Step step;
    step.kernel = &kernel;
    step.node = c.node.name;
    step.shape = c.shape;
    step.packed_bytes = taps * c.input_pitch * outputs * 4;
    step.arguments = {
        c.input,
        lists.active,
        pairs.pairs,
        pairs.counts,
        shares_weights ? c.weights : pack_taps(builder, c, block),
        builder.constants.add_floats(constant.borders,
                                     {{outputs, 1}, {sides, outputs}, {sides, sides * outputs}}),
        builder.constants.add_floats(constant.products, {{outputs, 1}, {taps, outputs}}),
        c.epilogue,
        c.gate,
        c.residual,
        c.conv.act.low,
        c.conv.act.high,
        c.conv.post.low,
        c.conv.post.high,
        builder.scratch(outputs * pixels, halide_type_of<float>(),
                        {{block, 1}, {pixels, block}, {outputs / block, block * pixels}}),
        c.output};
    step.work =
        2 * outputs * macs_per_output(c.conv) * c.output.axes[1].extent * c.output.axes[2].extent;
    // Threads share out channels, since a part of the outputs has pairs in every tap's list.
    step.split = {outputs / block,
                  {{4, 3, 1},
                   {5, 0, block},
                   {6, 0, block},
                   {7, 0, block},
                   {9, 0, block},
                   {14, 2, 1},
                   {15, 0, block}},
                  -1};
    step.list.argument = 1;
    step.list.tile = kernel.as<PairsInfo>().pixels;
    step.list.count = lists.active_count;
    step.list.outputs = one_int(pairs.counts, taps);
    step.macs_per_entry = c.conv.weights->shape[0] * macs_per_output(c.conv) / taps;
    step.remark = "where few pairs of an open input and an open output are left";
    return step;
}

}  // namespace

const Kernel* find_sparse(const Builder& builder, const Conv& c) {
    const bool is_gated = builder.gated_value(c.node.inputs[0]) != nullptr;
    // What both kernels of tiles of 2x2 read in one piece has the scale in it.
    const bool scales_weights = c.winograd != nullptr && can_share_taps(c);
    return is_gated && !scales_weights
               ? find_conv(Algorithm::sparse_conv, GateForm::position, builder.target, c.layer)
               : nullptr;
}

SparseSteps sparse_steps(Builder& builder, const Conv& c, const Kernel& kernel,
                         const GateLists& lists, const TileLists* tiles) {
    const Pairs pairs = emit_kernel_map(builder, c, kernel, lists, tiles);
    SparseSteps steps{sparse_step(builder, c, kernel, lists, pairs),
                      one_int(pairs.counts, taps + 1), one_int(pairs.counts, taps + 2),
                      one_int(pairs.counts, taps + 3)};
    steps.step.condition = Condition{steps.pays, 0, true};
    return steps;
}

}  // namespace sluice
