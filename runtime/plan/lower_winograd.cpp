#include <algorithm>
#include <functional>
#include <optional>

#include "plan/conv_common.h"
#include "plan/winograd_weights.h"

namespace sluice {
namespace {

/// Every tile of a map, row after row.
Buffer all_tiles(Builder& builder, std::int64_t side, std::int64_t height, std::int64_t width) {
    return builder.constants.all_positions(count_tiles(height, side), count_tiles(width, side));
}

/// Rows of tiles that stay on one thread: the last two where they overlap.
std::int64_t rows_of_unit(std::int64_t rows, bool overlap) {
    std::int64_t unit = overlap ? 2 : 1;
    while (unit < rows && rows % unit == 1) {
        ++unit;
    }
    return unit;
}

/// The call over a list of tiles, for output channels first .. first + count.
Step winograd_step(const Conv& c, std::int64_t first, std::int64_t count, const Buffer& list) {
    const WinogradInfo& info = c.winograd->as<WinogradInfo>();
    const std::int64_t block = c.winograd->block(), side = info.side;
    const std::int64_t height = c.output.axes[2].extent;
    Buffer weights = c.transformed;
    weights.offset += first / block * weights.axes[3].stride;
    weights.axes[3].extent = count / block;
    Step step;
    step.kernel = c.winograd;
    step.node = c.node.name;
    step.shape = c.shape;
    step.packed_bytes = count * info.depth() * winograd_points(side, info.taps) * 4;
    step.arguments = {c.input,
                      list,
                      weights,
                      from_channel(c.winograd_epilogue, first, count),
                      c.gate,
                      from_channel(c.residual, first, count),
                      c.gate_shift,
                      c.winograd_post.low,
                      c.winograd_post.high,
                      from_channel(c.output, first, count)};
    // A quarter of the multiplications, or about half.
    step.work = 2 * count * macs_per_output(c.conv) * c.output.axes[1].extent * height / side;
    step.list.argument = 1;
    step.list.tile = info.pixels;
    // The outputs that two tiles cover, each rounds in its own way: they belong to one thread.
    const bool overlaps = height % side != 0 || c.output.axes[1].extent % side != 0;
    if (overlaps || splits_weights(step, count / block)) {
        step.split = {count / block, {{2, 3, 1}, {3, 0, block}, {5, 0, block}, {9, 0, block}}, -1};
        if (c.winograd->gate == GateForm::element) {
            step.split.along.push_back({4, 0, block});
        }
    }
    return step;
}

}  // namespace

std::optional<Clamp> single_clamp(const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    if (conv.act.is_none()) {
        return conv.post;
    }
    const auto all = [](const std::vector<float>& values, auto is_such) {
        return std::all_of(values.begin(), values.end(), is_such);
    };
    const bool stands_last =
        node.inputs[2] == no_value && all(conv.shift, [](float shift) { return shift == 0; });
    // No gate is negative, and so a ReLU may follow it.
    const bool passes = conv.act.is_relu() ? all(conv.scale, [](float scale) { return scale >= 0; })
                                           : conv.gate == GateForm::none &&
                                                 all(conv.scale, [](float s) { return s == 1; });
    return stands_last && passes ? std::optional(compose(conv.act, conv.post)) : std::nullopt;
}

namespace {

/// (k, row): bias, 1, shift, of which the first holds the scale and without a gate the shift. So
/// the direct kernel reads it too where its weights hold the scale.
Buffer pack_winograd_epilogue(Builder& builder, const FusedConv& conv, std::int64_t outputs) {
    std::vector<float> rows(std::size_t(3 * outputs), 0.0f);
    std::fill_n(rows.begin() + outputs, outputs, 1.0f);
    const auto shifts = rows.begin() + 2 * outputs;
    std::transform(conv.bias.begin(), conv.bias.end(), conv.scale.begin(), rows.begin(),
                   std::multiplies<>());
    std::copy(conv.shift.begin(), conv.shift.end(), shifts);
    if (conv.gate == GateForm::none) {
        std::transform(rows.begin(), rows.begin() + outputs, shifts, rows.begin(), std::plus<>());
    }
    return builder.constants.add_floats(rows, {{outputs, 1}, {3, outputs}});
}

/// Whether all outputs of a map, shared out among its tiles, are enough for a tile to pay.
bool pays_densely(const Kernel& kernel, const ConvLayer& layer) {
    const WinogradInfo& info = kernel.as<WinogradInfo>();
    const std::int64_t side = info.side, height = layer.output[0], width = layer.output[1];
    const std::int64_t tiles = count_tiles(height, side) * count_tiles(width, side);
    return double(height * width) > info.break_even * double(side * side * tiles);
}

}  // namespace

const Kernel* find_winograd(const Builder& builder, GateForm gate, const ConvLayer& layer) {
    const Kernel* kernel = builder.options.winograd
                               ? find_conv(Algorithm::winograd_conv, gate, builder.target, layer)
                               : nullptr;
    return kernel != nullptr && pays_densely(*kernel, layer) ? kernel : nullptr;
}

const Kernel* accept_winograd(const Kernel* found, const Node& node, std::string& remark) {
    if (found == nullptr) {
        return nullptr;
    }
    const FusedConv& conv = *node.fused_conv;
    const bool is_finite = all_finite(conv.weights->floats()) && all_finite(conv.bias);
    if (is_finite && single_clamp(node)) {
        return found;
    }
    if (remark.empty()) {
        remark = is_finite
                     ? "not by Winograd: a clamp stands before its gate, its scale or its residual"
                     : "not by Winograd: its weights are not finite";
    }
    return nullptr;
}

void prepare_winograd(Builder& builder, Conv& c, bool chooses) {
    c.winograd_epilogue = pack_winograd_epilogue(builder, c.conv, c.outputs);
    c.winograd_post = *single_clamp(c.node);
    if (chooses && can_share_taps(c)) {
        pack_together(builder, c);
        c.epilogue = c.winograd_epilogue;
        return;
    }
    if (chooses) {
        pack_direct(builder, c);
    }
    const Constant& weights = *c.conv.weights;
    if (c.winograd->as<WinogradInfo>().taps == square_kernel(c.conv)) {
        pack_transformed(builder, c, weights);
    } else {
        // As the kernel reads them in place, or as copy_phases lays them out.
        pack_transformed(builder, c,
                         phase_weights(weights, c.winograd->as<WinogradInfo>().stride > 1
                                                    ? c.winograd->as<WinogradInfo>().channels
                                                    : weights.shape[1]));
    }
}

Step dense_winograd_step(Builder& builder, const Conv& c) {
    const std::int64_t height = c.output.axes[2].extent, width = c.output.axes[1].extent;
    const Buffer list = all_tiles(builder, c.winograd->as<WinogradInfo>().side, height, width);
    Step step = winograd_step(c, 0, c.outputs, list);
    step.list.static_count = list.axes[0].extent;
    if (!step.split.along.empty() && !splits_weights(step, step.split.count)) {
        // All rows of tiles are there, in order, so that threads can be kept from sharing outputs.
        const std::int64_t side = c.winograd->as<WinogradInfo>().side,
                           rows = count_tiles(height, side);
        step.split = {};
        step.list.tile = count_tiles(width, side) * rows_of_unit(rows, height % side != 0);
    }
    step.macs = c.conv.weights->shape[0] * macs_per_output(c.conv) * height * width;
    return step;
}

Step gated_winograd_step(const Conv& c, std::int64_t first, std::int64_t count,
                         const TileLists& tiles) {
    Step step = winograd_step(c, first, count, tiles.open);
    step.list.count = tiles.open_count;
    step.condition = Condition{tiles.pays, 0, true};
    return step;
}

Step tiled_winograd_step(const Conv& c, const GateLists& tiles) {
    const std::int64_t height = c.output.axes[2].extent, width = c.output.axes[1].extent;
    Step step = winograd_step(c, 0, c.outputs, tiles.active);
    step.list.count = tiles.active_count;
    // Tiles at the ends of the map may reach beyond it: each stands for an equal share of it.
    const std::int64_t side = c.winograd->as<WinogradInfo>().side;
    step.macs_per_entry = c.conv.weights->shape[0] * macs_per_output(c.conv) * height * width /
                          (count_tiles(height, side) * count_tiles(width, side));
    return step;
}

}  // namespace sluice
