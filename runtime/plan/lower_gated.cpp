#include <algorithm>
#include <bit>
#include <optional>

#include "plan/conv_common.h"
#include "plan/lower.h"

/// Gated convolutions as lists: of open positions, or of open tiles. lower_element.cpp has those of
/// elements.
namespace sluice {

Result<Step> fill_step(const Builder& builder, const Conv& c, std::int64_t first,
                       std::int64_t count, const Buffer& list, std::int64_t side) {
    const auto kernel = builder.kernel(c.node, Algorithm::fill);
    if (!kernel.ok()) {
        return kernel.status();
    }
    Step step;
    step.kernel = kernel.value();
    step.node = c.node.name;
    step.shape = c.shape;
    step.arguments = {list,
                      from_channel(c.epilogue, first, count),
                      from_channel(c.residual, first, count),
                      std::int32_t(side),
                      c.conv.post.low,
                      c.conv.post.high,
                      from_channel(c.output, first, count)};
    step.work = count * c.output.axes[1].extent * c.output.axes[2].extent;
    step.list.argument = 0;
    return step;
}

namespace {

/// Output channels first .. first + count, which obey map `group` of the gate.
struct GroupOfOutputs {
    std::int64_t group, first, count;
    std::int64_t channels;  ///< without those that pad a vector
};

/// Winograd's `step` over the open tiles, and the constant in the others.
Status emit_tiles(Builder& builder, const Conv& c, const GroupOfOutputs& g, const TileLists& tiles,
                  Step step) {
    // First, because an open tile writes all of its outputs, and the last ones overlap.
    auto fill =
        fill_step(builder, c, g.first, g.count, tiles.closed, c.winograd->as<WinogradInfo>().side);
    if (!fill.ok()) {
        return fill.status();
    }
    fill->list.count = tiles.closed_count;
    fill->condition = step.condition;
    builder.emit(std::move(fill).value());
    builder.emit(std::move(step));
    return {};
}

/// The convolution at the open positions of a gate map (lists of c.gate) and the constant at the
/// others. Each run chooses between the kernels that there are: direct over the positions,
/// Winograd's over their tiles, or that of the pairs of open inputs and outputs.
Status emit_positions(Builder& builder, const Conv& c, const GroupOfOutputs& g,
                      const GateLists& lists) {
    auto fill = fill_step(builder, c, g.first, g.count, lists.skipped);
    if (!fill.ok()) {
        return fill.status();
    }
    fill->list.count = lists.skipped_count;
    Step direct = conv_step(c, g.first, g.count, lists.active);
    direct.list.count = lists.active_count;
    direct.macs_per_entry = g.channels * macs_per_output(c.conv);
    direct.remark = c.remark;
    std::optional<TileLists> tiles;
    if (c.winograd != nullptr) {
        tiles = builder.tiles(c.node, lists, c.gate, *c.winograd);
        direct.condition = Condition{tiles->pays, 0, false};
    }
    std::optional<Step> sparse;
    if (const Kernel* kernel = g.count == c.outputs ? find_sparse(builder, c) : nullptr) {
        SparseSteps steps = sparse_steps(builder, c, *kernel, lists, tiles ? &*tiles : nullptr);
        sparse = std::move(steps.step);
        direct.condition = Condition{steps.direct_pays, 0, true};
        if (tiles) {
            tiles->pays = steps.winograd_pays;
        }
    }
    if (tiles) {
        Step step = gated_winograd_step(c, g.first, g.count, *tiles);
        step.list.outputs = lists.active_count;
        step.macs_per_entry = direct.macs_per_entry;
        fill->condition = Condition{tiles->pays, 0, false};
        SLUICE_RETURN_IF_ERROR(emit_tiles(builder, c, g, *tiles, std::move(step)));
    }
    builder.emit(std::move(fill).value());
    if (sparse) {
        builder.emit(std::move(*sparse));
    }
    builder.emit(std::move(direct));
    return {};
}

/// What the gate of a layer without residual leaves where it is closed.
std::vector<float> closed_outputs(const FusedConv& conv) {
    std::vector<float> closed(conv.shift.size());
    std::transform(conv.shift.begin(), conv.shift.end(), closed.begin(),
                   [&](float shift) { return conv.post.apply(shift); });
    return closed;
}

}  // namespace

Status emit_gated(Builder& builder, Conv c, std::int64_t groups, std::int64_t channels) {
    const ValueId gate = c.node.inputs[1];
    const std::int64_t each = groups == 1 ? c.outputs : channels / groups;
    GateSource& source = builder.plan.gate_sources.back();
    for (std::int64_t g = 0; g < groups; ++g) {
        const GateLists lists = builder.gate_lists(c.node, gate, g);
        c.gate = from_channel(pixels(builder.layout(gate), 1), g, 1);
        SLUICE_RETURN_IF_ERROR(
            emit_positions(builder, c, {g, g * each, each, groups == 1 ? channels : each}, lists));
        source.counts.push_back(lists.active_count);
        if (groups == 1 && c.node.inputs[2] == no_value) {
            builder.set_gated(c.node.outputs[0], {lists, closed_outputs(c.conv)});
        }
    }
    source.step = builder.plan.steps.size() - 1;
    return {};
}

Status emit_tiled(Builder& builder, Conv c) {
    const ValueId gate = c.node.inputs[1];
    const GateLists tiles = builder.gate_lists(c.node, gate, 0);
    c.gate = pixels(builder.layout(gate), 1);
    c.gate_shift = std::int32_t(std::countr_zero(std::uint64_t(c.conv.gate_grid)));
    Step step = tiled_winograd_step(c, tiles);
    step.remark = c.remark;
    const TileLists lists{tiles.active, tiles.skipped, tiles.active_count, tiles.skipped_count, {}};
    SLUICE_RETURN_IF_ERROR(emit_tiles(builder, c, {0, 0, c.outputs, c.conv.weights->shape[0]},
                                      lists, std::move(step)));
    builder.plan.gate_sources.back().counts.push_back(tiles.active_count);
    builder.plan.gate_sources.back().step = builder.plan.steps.size() - 1;
    return {};
}

Status emit_expanded(Builder& builder, Conv c) {
    const Layout& map = builder.layout(c.node.inputs[1]);
    const std::int64_t grid = c.conv.gate_grid, height = map.height(), width = map.width();
    const std::int64_t row = width * grid;
    c.gate = builder.scratch(height * grid * row, halide_type_of<float>(), {});
    Buffer from = view(map), to = c.gate;
    from.axes = {{grid, 0}, map.axes[2], {grid, 0}, map.axes[1]};
    to.axes = {{grid, 1}, {width, grid}, {grid, row}, {height, grid * row}};
    // The map's memory is free once it is copied.
    builder.plan.gate_sources.back().step = builder.plan.steps.size();
    SLUICE_RETURN_IF_ERROR(emit_copy(builder, c.node, from, to));
    c.gate.axes = {{c.output.axes[1].extent, 1}, {c.output.axes[2].extent, row}};
    const GateLists lists = builder.scan(c.node, c.gate);
    c.gate.axes.insert(c.gate.axes.begin(), Axis{1, 1});
    return emit_positions(builder, c, {0, 0, c.outputs, c.conv.weights->shape[0]}, lists);
}

}  // namespace sluice
