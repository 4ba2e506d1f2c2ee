#include <algorithm>

#include "graph/shapes.h"
#include "plan/arrange.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// The node's output as a copy of a view with its extents.
Result<Lowered> copied(Planner& planner, const Node& node, const Buffer& from) {
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    SLUICE_RETURN_IF_ERROR(append_copies(planner, node, from, view(lowered.output), lowered.steps));
    return lowered;
}

}  // namespace

Result<Lowered> lower_identity(Planner& planner, const Node& node) {
    return Lowered{.output = planner.layout(node.inputs[0])};
}

Result<Lowered> lower_transpose(Planner& planner, const Node& node) {
    const Shape order = transpose_order(planner.graph, node);
    if (order[0] != 0) {
        return planner.unsupported(node, "moves the batch to another axis", "keep the batch first");
    }
    const Buffer source = view(planner.layout(node.inputs[0]));
    Buffer turned = source;
    for (std::size_t axis = 1; axis < order.size(); ++axis) {
        turned.axes[axis - 1] = source.axes[std::size_t(order[axis]) - 1];
    }
    return copied(planner, node, turned);
}

Result<Lowered> lower_depth_to_space(Planner& planner, const Node& node) {
    const std::int64_t side = planner.graph.int_attribute(node, "blocksize", 1);
    const bool gathers = node.op == Op::depth_to_space;
    const bool is_crd = gathers && planner.graph.string_attribute(node, "mode", "DCR") == "CRD";
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    Buffer deep = view(planner.layout(node.inputs[0])), wide = view(lowered.output);
    if (!gathers) {
        std::swap(deep, wide);
    }
    // (channel, block row, block column, row, column) of both.
    const Axis c = deep.axes[0], y = deep.axes[1], x = deep.axes[2];
    const std::int64_t channels = c.extent / (side * side);
    const std::int64_t each = is_crd ? side * side : 1, column = is_crd ? 1 : channels;
    deep.axes = {{channels, c.stride * each},
                 {side, c.stride * column * side},
                 {side, c.stride * column},
                 y,
                 x};
    const Axis rows = wide.axes[1], columns = wide.axes[2];
    wide.axes = {wide.axes[0],
                 {side, rows.stride},
                 {side, columns.stride},
                 {y.extent, rows.stride * side},
                 {x.extent, columns.stride * side}};
    if (!gathers) {
        std::swap(deep, wide);
    }
    SLUICE_RETURN_IF_ERROR(append_copies(planner, node, deep, wide, lowered.steps));
    return lowered;
}

Result<Lowered> lower_slice(Planner& planner, const Node& node) {
    const auto ranges = slice_ranges(planner.graph, node);
    if (!ranges.ok()) {
        return ranges.status();
    }
    const SliceRange& batch = ranges.value()[0];
    if (batch.start != 0 || batch.step != 1 || batch.count != planner.graph.batch) {
        return planner.unsupported(node, "takes some images of the batch",
                                   "run a smaller batch instead");
    }
    Layout part = planner.layout(node.inputs[0]);
    std::fill_n(part.halo, 4, 0);
    for (std::size_t axis = 0; axis < part.axes.size(); ++axis) {
        const SliceRange& range = ranges.value()[axis + 1];
        part.origin += range.start * part.axes[axis].stride;
        // A step past the end is never taken: one element has no neighbour.
        const std::int64_t step = range.count > 1 ? range.step : 1;
        part.axes[axis] = {range.count, part.axes[axis].stride * step};
    }
    if (planner.readers.only_copied(node.outputs[0])) {
        return Lowered{.output = std::move(part)};
    }
    return copied(planner, node, view(part));
}

Result<Lowered> lower_concat(Planner& planner, const Node& node) {
    const std::size_t rank = planner.graph.values[std::size_t(node.outputs[0])].shape.size();
    const auto axis = normalize_axis(planner.graph.int_attribute(node, "axis", 0), rank);
    if (!axis || *axis == 0) {
        return planner.unsupported(node, "joins images of the batch", "run them apart");
    }
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    Buffer target = view(lowered.output);
    for (const ValueId id : node.inputs) {
        const Buffer source = view(planner.layout(id));
        Buffer part = target;
        part.axes[*axis - 1].extent = source.axes[*axis - 1].extent;
        SLUICE_RETURN_IF_ERROR(append(lowered.steps, copy_step(planner, node, source, part)));
        target.offset += part.axes[*axis - 1].extent * target.axes[*axis - 1].stride;
    }
    return lowered;
}

Result<Lowered> lower_expand(Planner& planner, const Node& node) {
    Buffer source = view(planner.layout(node.inputs[0]));
    const Shape shape = planner.layouts.image_shape(node.outputs[0]);
    if (source.axes.size() != shape.size()) {
        return planner.unsupported(node, "adds extents before the batch", "keep the batch first");
    }
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        if (source.axes[axis].extent != shape[axis]) {
            source.axes[axis] = {shape[axis], 0};
        }
    }
    return copied(planner, node, source);
}

}  // namespace sluice
