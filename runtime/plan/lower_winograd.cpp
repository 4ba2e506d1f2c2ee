#include "plan/conv_common.h"
#include "plan/winograd_weights.h"

namespace sluice {
namespace {

/// Every tile of a map, row after row.
Buffer all_tiles(Builder& builder, std::int64_t side, std::int64_t height, std::int64_t width) {
    return builder.all_positions(count_tiles(height, side), count_tiles(width, side));
}

/// The call over a list of tiles, for output channels first .. first + count.
Step winograd_step(const Conv& c, std::int64_t first, std::int64_t count, const Buffer& list) {
    const std::int64_t block = c.winograd->block(), side = c.winograd->side;
    const std::int64_t height = c.output.axes[2].extent;
    Buffer weights = c.transformed;
    weights.offset += first / block * weights.axes[3].stride;
    weights.axes[3].extent = count / block;
    Step step;
    step.kernel = c.winograd;
    step.node = c.node.name;
    step.shape = c.shape;
    step.packed_bytes = weights.axes[3].extent * weights.axes[3].stride * 4;
    step.arguments = {c.input,          list,
                      weights,          from_channel(c.epilogue, first, count),
                      c.gate,           from_channel(c.residual, first, count),
                      c.gate_shift,     c.conv.act.low,
                      c.conv.act.high,  c.conv.post.low,
                      c.conv.post.high, from_channel(c.output, first, count)};
    // A quarter of the multiplications, or about half.
    step.work = 2 * count * macs_per_output(c.conv) * c.output.axes[1].extent * height / side;
    step.list.argument = 1;
    step.list.tile = c.winograd->pixels;
    // The outputs that two tiles cover, each rounds in its own way: they belong to one thread.
    const bool overlaps = height % side != 0 || c.output.axes[1].extent % side != 0;
    if (overlaps || (count / block > 1 && step.packed_bytes / 4 >= split_weights_from)) {
        step.split = {count / block, {{2, 3, 1}, {3, 0, block}, {5, 0, block}, {11, 0, block}}, -1};
        if (c.winograd->family == Family::element_winograd) {
            step.split.along.push_back({4, 0, block});
        }
    }
    return step;
}

/// Whether all outputs of the map, shared out among its tiles, are enough for a tile to pay.
bool pays_densely(const Kernel& kernel, std::int64_t height, std::int64_t width) {
    const std::int64_t side = kernel.side;
    const std::int64_t tiles = count_tiles(height, side) * count_tiles(width, side);
    return double(height * width) > kernel.break_even * double(side * side * tiles);
}

}  // namespace

const Kernel* find_winograd(const Builder& builder, Family family, const FusedConv& conv,
                            std::int64_t pitch, std::int64_t outputs, const Layout& output) {
    const bool fits = square_kernel(conv) == 3 && conv.stride[0] == 1 && conv.stride[1] == 1;
    if (!builder.options.winograd || !fits) {
        return nullptr;
    }
    const Kernel* kernel = find_conv(family, builder.target, 3, int(pitch), int(outputs));
    const bool serves = kernel != nullptr && output.height() >= kernel->side &&
                        output.width() >= kernel->side &&
                        pays_densely(*kernel, output.height(), output.width());
    return serves ? kernel : nullptr;
}

Buffer pack_winograd(Builder& builder, const FusedConv& conv, const Kernel& winograd,
                     std::int64_t outputs) {
    const std::int64_t pitch = winograd.pitch, block = winograd.block(), matrix = pitch * block;
    const std::int64_t points = winograd_points(winograd.side);
    return builder.add_packed(
        outputs * pitch * points,
        {{block, 1}, {pitch, block}, {points, matrix}, {outputs / block, points * matrix}},
        [&](float* to) {
            const Shape& shape = conv.weights->shape;
            transform_weights({conv.weights->floats().data(), shape[0], shape[1]},
                              {winograd.side, pitch, outputs, block}, to);
        });
}

Step dense_winograd_step(Builder& builder, const Conv& c) {
    const std::int64_t height = c.output.axes[2].extent, width = c.output.axes[1].extent;
    const Buffer list = all_tiles(builder, c.winograd->side, height, width);
    Step step = winograd_step(c, 0, c.outputs, list);
    step.list.static_count = list.axes[0].extent;
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
    const std::int64_t side = c.winograd->side;
    step.macs_per_entry = c.conv.weights->shape[0] * macs_per_output(c.conv) * height * width /
                          (count_tiles(height, side) * count_tiles(width, side));
    return step;
}

}  // namespace sluice
