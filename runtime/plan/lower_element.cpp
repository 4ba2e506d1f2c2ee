#include <utility>

#include "plan/conv_common.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// What a scan of the gates lists.
struct ElementLists {
    Buffer tiles;  ///< (tile, element, row), as dot_conv reads it
    Buffer tile_count;
};

Step scan_step(const Conv& c, const Kernel* kernel, std::vector<Argument> arguments) {
    Step step;
    step.kernel = kernel;
    step.node = c.node.name;
    step.shape = c.shape;
    step.arguments = std::move(arguments);
    return step;
}

/// Counts the open gates.
Result<Buffer> emit_count(Builder& builder, const Conv& c, Buffer gates) {
    const auto kernel = builder.kernel(c.node, Algorithm::open_count);
    if (!kernel.ok()) {
        return kernel.status();
    }
    arrange_dense({&gates});
    Buffer open = builder.scratch(1, halide_type_of<std::int32_t>(), {});
    builder.emit(scan_step(c, kernel.value(), {std::move(gates), open}));
    return open;
}

/// Lists the open gates in runs where the condition holds.
Result<ElementLists> emit_lists(Builder& builder, const Conv& c, Buffer gates, std::int64_t tile,
                                const Condition& condition) {
    // As generators/elements.cpp: channels by eights, sixteen entries a write.
    constexpr std::int64_t group = 8, written = 16;
    const auto kernel = builder.kernel(c.node, Algorithm::elements);
    if (!kernel.ok()) {
        return kernel.status();
    }
    const std::int64_t channels = gates.axes[0].extent;
    const std::int64_t positions = gates.axes[1].extent * gates.axes[2].extent;
    const std::int64_t capacity = positions * round_up(channels, tile) + written;
    const std::int64_t groups = round_up(channels, group) / group * positions + 1;
    const auto u32 = halide_type_of<std::uint32_t>();
    const auto i32 = halide_type_of<std::int32_t>();
    ElementLists lists{builder.scratch(2 * capacity, u32, {{capacity, 1}, {2, capacity}}),
                       builder.scratch(1, i32, {})};
    Step step = scan_step(c, kernel.value(),
                          {std::move(gates), std::int32_t(tile), lists.tiles, lists.tile_count,
                           builder.scratch(2 * groups, i32, {{2, 1}, {groups, 2}})});
    step.condition = condition;
    builder.emit(std::move(step));
    lists.tiles.axes = {{capacity / tile, tile}, {tile, 1}, {2, capacity}};
    return lists;
}

Step dot_step(Builder& builder, const Conv& c, const Kernel* kernel, const ElementLists& lists,
              const Condition& condition) {
    Step step;
    step.kernel = kernel;
    step.node = c.node.name;
    step.shape = c.shape;
    const Buffer weights = pack_rows(builder, c.conv, c.input_pitch);
    step.packed_bytes = weights.axes[2].extent * weights.axes[2].stride * 4;
    step.arguments = conv_arguments(c, lists.tiles, weights, 0, c.outputs);
    step.list.argument = 1;
    step.list.count = lists.tile_count;
    step.list.outputs = condition.count;
    step.condition = condition;
    step.macs_per_entry = macs_per_output(c.conv);
    return step;
}

std::string percent(double share) { return std::to_string(int(share * 100 + 0.5)) + "%"; }

}  // namespace

Result<bool> emit_elements(Builder& builder, const Conv& c) {
    Step dense = dense_step(builder, c);
    const Kernel* dots = find_conv(Algorithm::dot_conv, GateForm::element, builder.target, c.layer);
    if (dots == nullptr) {
        dense.remark = "multiplied densely: its input has no lanes beside its channels";
        builder.emit(std::move(dense));
        return false;
    }
    const Buffer gates = from_channel(c.gate, 0, c.conv.weights->shape[0]);
    const auto open = emit_count(builder, c, gates);
    if (!open.ok()) {
        return open.status();
    }
    const std::int64_t height = c.output.axes[2].extent, width = c.output.axes[1].extent;
    const auto elements = double(c.conv.weights->shape[0] * height * width);
    // Against Winograd's product, dot products pay as many times less as against the direct one.
    const double most = dots->as<DotInfo>().break_even *
                        (c.winograd ? c.winograd->as<WinogradInfo>().break_even : 1);
    const Condition few{open.value(), std::int64_t(elements * most), false};
    const auto lists = emit_lists(builder, c, gates, dots->as<DotInfo>().elements, few);
    if (!lists.ok()) {
        return lists.status();
    }

    auto fill = fill_step(builder, c, 0, c.outputs, builder.constants.all_positions(height, width));
    if (!fill.ok()) {
        return fill.status();
    }
    fill->list.static_count = height * width;
    fill->condition = few;
    builder.emit(std::move(fill).value());

    Step dot = dot_step(builder, c, dots, lists.value(), few);
    dot.work = dense.work;
    dot.remark = "where at most " + percent(most) + " of the gates are open";
    builder.emit(std::move(dot));

    dense.condition = few;
    dense.condition->above = true;
    dense.remark = "multiplied densely where more are";
    builder.emit(std::move(dense));
    builder.plan.gate_sources.back().counts.push_back(open.value());
    return true;
}

}  // namespace sluice
