#include "plan/conv_common.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// The lists that a scan of the gates writes.
struct ElementLists {
    Buffer tiles;  ///< (tile, element, row), as dot_conv reads it
    Buffer open, tile_count;
};

Result<ElementLists> emit_scan(Builder& builder, const Conv& c, std::int64_t tile) {
    // As generators/elements.cpp: channels by eights, sixteen entries a write.
    constexpr std::int64_t group = 8, written = 16;
    const auto kernel = builder.kernel(c.node, Family::elements);
    if (!kernel.ok()) {
        return kernel.status();
    }
    const std::int64_t channels = c.conv.weights->shape[0];
    const std::int64_t positions = c.output.axes[1].extent * c.output.axes[2].extent;
    const std::int64_t capacity = positions * round_up(channels, tile) + written;
    const std::int64_t groups = round_up(channels, group) / group * positions + 1;
    const auto u32 = halide_type_of<std::uint32_t>();
    const auto i32 = halide_type_of<std::int32_t>();
    const Buffer list = builder.scratch(2 * capacity, u32, {{capacity, 1}, {2, capacity}});
    const Buffer counts = builder.scratch(2, i32, {{2, 1}});
    Step step;
    step.kernel = kernel.value();
    step.node = c.node.name;
    step.shape = c.shape;
    step.arguments = {from_channel(c.gate, 0, channels), std::int32_t(tile), list, counts,
                      builder.scratch(2 * groups, i32, {{2, 1}, {groups, 2}})};
    builder.emit(std::move(step));

    ElementLists lists{list, counts, counts};
    lists.tiles.axes = {{capacity / tile, tile}, {tile, 1}, {2, capacity}};
    lists.tile_count.offset += 1;
    return lists;
}

Step dot_step(Builder& builder, const Conv& c, const Kernel* kernel, const ElementLists& lists) {
    Step step;
    step.kernel = kernel;
    step.node = c.node.name;
    step.shape = c.shape;
    const Buffer weights = pack_rows(builder, c.conv, c.input_pitch);
    step.packed_bytes = weights.axes[2].extent * weights.axes[2].stride * 4;
    step.arguments = conv_arguments(c, lists.tiles, weights, 0, c.outputs);
    step.list.argument = 1;
    step.list.count = lists.tile_count;
    step.list.outputs = lists.open;
    step.macs_per_entry = macs_per_output(c.conv);
    return step;
}

std::string percent(double share) { return std::to_string(int(share * 100 + 0.5)) + "%"; }

}  // namespace

Result<bool> emit_elements(Builder& builder, const Conv& c) {
    Step dense = dense_step(builder, c);
    const Kernel* dots = find_conv(Family::dot_conv, builder.target, square_kernel(c.conv),
                                   int(c.input_pitch), int(c.outputs));
    if (dots == nullptr || c.input_pitch % builder.lanes != 0) {
        dense.remark = "multiplied densely: its input has no lanes beside its channels";
        builder.emit(std::move(dense));
        return false;
    }
    const auto lists = emit_scan(builder, c, dots->pixels);
    if (!lists.ok()) {
        return lists.status();
    }
    const std::int64_t height = c.output.axes[2].extent, width = c.output.axes[1].extent;
    const auto elements = double(c.conv.weights->shape[0] * height * width);
    // Against Winograd's product, dot products pay as many times less as against the direct one.
    const double most = dots->break_even * (c.winograd ? c.winograd->break_even : 1);
    const Condition few{lists->open, std::int64_t(elements * most), false};

    auto fill = fill_step(builder, c, 0, c.outputs, builder.all_positions(height, width));
    if (!fill.ok()) {
        return fill.status();
    }
    fill->list.static_count = height * width;
    fill->condition = few;
    builder.emit(std::move(fill).value());

    Step dot = dot_step(builder, c, dots, lists.value());
    dot.work = dense.work;
    dot.condition = few;
    dot.remark = "where at most " + percent(most) + " of the gates are open";
    builder.emit(std::move(dot));

    dense.condition = few;
    dense.condition->above = true;
    dense.remark = "multiplied densely where more are";
    builder.emit(std::move(dense));
    builder.plan.gate_sources.back().counts.push_back(lists->open);
    return true;
}

}  // namespace sluice
