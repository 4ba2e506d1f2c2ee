#include <algorithm>
#include <cmath>

#include "graph/shapes.h"
#include "plan/arrange.h"
#include "plan/conv/int8_numbers.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// One value over `count` indices of an axis, from `first` on; no step where there are none.
Status append_paint(const Planner& planner, const Node& node, Buffer value, Buffer target,
                    std::size_t axis, std::int64_t first, std::int64_t count,
                    std::vector<Step>& steps) {
    if (count <= 0) {
        return {};
    }
    target.offset += first * target.axes[axis].stride;
    target.axes[axis].extent = count;
    value.axes = target.axes;
    for (Axis& a : value.axes) {
        a.stride = 0;
    }
    return append(steps, copy_step(planner, node, value, target));
}

/// A value as elements of the node's output hold it.
Buffer painted(Planner& planner, const Node& node, float value) {
    const auto& quantization = planner.graph.values[std::size_t(node.outputs[0])].quantization;
    if (!quantization) {
        return planner.constants.add_floats({&value, 1}, {});
    }
    const OutputRange range = output_range(*quantization);
    const float grid =
        std::clamp(std::nearbyint(value / quantization->scale), range.low, range.high);
    const auto number = std::uint8_t(int(grid) + quantization->zero_point);
    return planner.constants.add_bytes({&number, 1}, {});
}

/// The node's output as a copy of a view with its extents.
Result<Lowered> copied(Planner& planner, const Node& node, const Buffer& from) {
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    SLUICE_RETURN_IF_ERROR(
        append(lowered.steps, copy_step(planner, node, from, view(lowered.output))));
    return lowered;
}

}  // namespace

Result<Lowered> lower_identity(Planner& planner, const Node& node) {
    return Lowered{.output = planner.layout(node.inputs[0])};
}

Result<Lowered> lower_transpose(Planner& planner, const Node& node) {
    const std::size_t rank = planner.graph.values[std::size_t(node.inputs[0])].shape.size();
    Shape reversed(rank);
    for (std::size_t axis = 0; axis < rank; ++axis) {
        reversed[axis] = std::int64_t(rank - 1 - axis);
    }
    const Shape order = planner.graph.ints_attribute(node, "perm", reversed);
    if (order[0] != 0) {
        return planner.unsupported(node, "moves the batch to another axis", "keep the batch first");
    }
    const Buffer source = view(planner.layout(node.inputs[0]));
    Buffer turned = source;
    for (std::size_t axis = 1; axis < rank; ++axis) {
        turned.axes[axis - 1] = source.axes[std::size_t(order[axis]) - 1];
    }
    return copied(planner, node, turned);
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

Result<Lowered> lower_pad(Planner& planner, const Node& node) {
    const Graph& graph = planner.graph;
    const auto pads = pad_extents(graph, node);
    if (!pads.ok()) {
        return pads.status();
    }
    const std::size_t rank = pads.value().size() / 2;
    const std::string mode = graph.string_attribute(node, "mode", "constant");
    if (mode != "constant") {
        return planner.unsupported(node, "pads by mode '" + mode + "'", "pad with a constant");
    }
    if (pads.value()[0] != 0 || pads.value()[rank] != 0) {
        return planner.unsupported(node, "pads the batch", "pad each image");
    }
    const bool has_value = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Constant* constant = has_value ? graph.constant(node.inputs[2]) : nullptr;
    if (has_value && (constant == nullptr || !constant->is_float())) {
        return planner.unsupported(node, "pads with a value that is no float constant",
                                   "pad with a constant");
    }
    const float value = constant != nullptr ? constant->floats()[0] : 0;
    const Buffer paint = painted(planner, node, value);
    Buffer source = view(planner.layout(node.inputs[0]));
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    Buffer target = view(lowered.output);
    // Axis by axis: what is left of the target is painted before and after the source.
    for (std::size_t axis = 0; axis + 1 < rank; ++axis) {
        Axis& from = source.axes[axis];
        Axis& to = target.axes[axis];
        // A crop on one side may leave less than the padding on the other.
        const std::int64_t before = pads.value()[axis + 1];
        const std::int64_t first = std::clamp(before, std::int64_t{0}, to.extent);
        const std::int64_t end = std::clamp(before + from.extent, first, to.extent);
        SLUICE_RETURN_IF_ERROR(
            append_paint(planner, node, paint, target, axis, 0, first, lowered.steps));
        SLUICE_RETURN_IF_ERROR(
            append_paint(planner, node, paint, target, axis, end, to.extent - end, lowered.steps));
        if (end == first) {
            return lowered;
        }
        source.offset += (first - before) * from.stride;
        target.offset += first * to.stride;
        from.extent = end - first;
        to.extent = end - first;
    }
    SLUICE_RETURN_IF_ERROR(append(lowered.steps, copy_step(planner, node, source, target)));
    return lowered;
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
