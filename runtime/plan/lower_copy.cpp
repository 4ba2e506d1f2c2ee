#include <algorithm>

#include "graph/shapes.h"
#include "plan/lower.h"

namespace sluice {
namespace {

bool same_extents(const std::vector<Axis>& a, const std::vector<Axis>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const Axis& x, const Axis& y) { return x.extent == y.extent; });
}

std::vector<Axis> without_ones(std::vector<Axis> axes) {
    std::erase_if(axes, [](const Axis& axis) { return axis.extent == 1; });
    return axes;
}

bool is_dense(const std::vector<Axis>& axes) {
    std::int64_t stride = 1;
    for (std::size_t axis = axes.size(); axis-- > 0; stride *= axes[axis].extent) {
        if (axes[axis].extent != 1 && axes[axis].stride != stride) {
            return false;
        }
    }
    return true;
}

std::string extents(const Buffer& view) {
    Shape shape;
    for (const Axis& axis : view.axes) {
        shape.push_back(axis.extent);
    }
    return to_string(shape);
}

/// One value over `count` indices of an axis, from `first` on; nothing where there are none.
Status emit_paint(Builder& builder, const Node& node, Buffer value, Buffer target, std::size_t axis,
                  std::int64_t first, std::int64_t count) {
    if (count <= 0) {
        return {};
    }
    target.offset += first * target.axes[axis].stride;
    target.axes[axis].extent = count;
    value.axes = target.axes;
    for (Axis& a : value.axes) {
        a.stride = 0;
    }
    return emit_copy(builder, node, value, target);
}

}  // namespace

Status emit_copy(Builder& builder, const Node& node, const Buffer& from, const Buffer& to) {
    const auto kernel = builder.kernel(node, Algorithm::copy);
    if (!kernel.ok()) {
        return kernel.status();
    }
    Buffer input = from, output = to;
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = extents(to);
    if (!arrange({&output, &input})) {
        return builder.unsupported(node, "moves " + step.shape + " by more than four loops",
                                   "reshape it to fewer extents");
    }
    step.split = split_views(output, {0, 1});
    for (const Axis& axis : output.axes) {
        step.work = std::max(step.work, std::int64_t(1)) * axis.extent;
    }
    step.arguments = {input, output};
    builder.emit(std::move(step));
    return {};
}

Status lower_reshape(Builder& builder, const Node& node) {
    const Layout from = builder.layout(node.inputs[0]);
    const Shape shape = builder.picture_shape(node.outputs[0]);
    const bool shares = shape.size() != 3 && from.memory == Memory::arena && is_dense(from.axes);
    if (shares) {
        Layout layout = from;
        layout.axes = dense_axes(shape);
        std::fill_n(layout.halo, 4, 0);
        builder.alias(node.outputs[0], std::move(layout));
        return {};
    }
    const Layout& to = builder.allocate(node, false);
    Buffer source = view(from), target = view(to);
    const auto a = without_ones(source.axes), b = without_ones(target.axes);
    if (same_extents(a, b)) {
        source.axes = a;
        target.axes = b;
        return emit_copy(builder, node, source, target);
    }
    // The elements keep ONNX's order, which only a dense tensor shows.
    std::int64_t count = 1;
    for (const Axis& axis : source.axes) {
        count *= axis.extent;
    }
    if (!from.is_picture()) {
        source.axes = dense_axes(shape);
        return emit_copy(builder, node, source, target);
    }
    Buffer dense = to.is_picture() ? builder.scratch(count, halide_type_of<float>(), {}) : target;
    dense.axes.clear();
    Shape before;
    for (const Axis& axis : source.axes) {
        before.push_back(axis.extent);
    }
    dense.axes = dense_axes(before);
    SLUICE_RETURN_IF_ERROR(emit_copy(builder, node, source, dense));
    if (!to.is_picture()) {
        return {};
    }
    dense.axes = dense_axes(shape);
    return emit_copy(builder, node, dense, target);
}

Status lower_identity(Builder& builder, const Node& node) {
    builder.alias(node.outputs[0], builder.layout(node.inputs[0]));
    return {};
}

Status lower_transpose(Builder& builder, const Node& node) {
    const std::size_t rank = builder.graph.values[std::size_t(node.inputs[0])].shape.size();
    Shape reversed(rank);
    for (std::size_t axis = 0; axis < rank; ++axis) {
        reversed[axis] = std::int64_t(rank - 1 - axis);
    }
    const Shape order = builder.graph.ints_attribute(node, "perm", reversed);
    if (order[0] != 0) {
        return builder.unsupported(node, "moves the batch to another axis", "keep the batch first");
    }
    const Buffer source = view(builder.layout(node.inputs[0]));
    Buffer turned = source;
    for (std::size_t axis = 1; axis < rank; ++axis) {
        turned.axes[axis - 1] = source.axes[std::size_t(order[axis]) - 1];
    }
    return emit_copy(builder, node, turned, view(builder.allocate(node, false)));
}

Status lower_slice(Builder& builder, const Node& node) {
    const auto ranges = slice_ranges(builder.graph, node);
    if (!ranges.ok()) {
        return ranges.status();
    }
    const SliceRange& batch = ranges.value()[0];
    if (batch.start != 0 || batch.step != 1 || batch.count != builder.graph.batch) {
        return builder.unsupported(node, "takes some images of the batch",
                                   "run a smaller batch instead");
    }
    Layout part = builder.layout(node.inputs[0]);
    std::fill_n(part.halo, 4, 0);
    for (std::size_t axis = 0; axis < part.axes.size(); ++axis) {
        const SliceRange& range = ranges.value()[axis + 1];
        part.origin += range.start * part.axes[axis].stride;
        // A step past the end is never taken: one element has no neighbour.
        const std::int64_t step = range.count > 1 ? range.step : 1;
        part.axes[axis] = {range.count, part.axes[axis].stride * step};
    }
    if (builder.only_copied(node.outputs[0])) {
        builder.alias(node.outputs[0], std::move(part));
        return {};
    }
    return emit_copy(builder, node, view(part), view(builder.allocate(node, false)));
}

Status lower_pad(Builder& builder, const Node& node) {
    const Graph& graph = builder.graph;
    const auto pads = pad_extents(graph, node);
    if (!pads.ok()) {
        return pads.status();
    }
    const std::size_t rank = pads.value().size() / 2;
    const std::string mode = graph.string_attribute(node, "mode", "constant");
    if (mode != "constant") {
        return builder.unsupported(node, "pads by mode '" + mode + "'", "pad with a constant");
    }
    if (pads.value()[0] != 0 || pads.value()[rank] != 0) {
        return builder.unsupported(node, "pads the batch", "pad each image");
    }
    const bool has_value = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Constant* constant = has_value ? graph.constant(node.inputs[2]) : nullptr;
    if (has_value && (constant == nullptr || !constant->is_float())) {
        return builder.unsupported(node, "pads with a value that is no float constant",
                                   "pad with a constant");
    }
    const float value = constant != nullptr ? constant->floats()[0] : 0;
    const Buffer paint = builder.constants.add_floats({&value, 1}, {});
    Buffer source = view(builder.layout(node.inputs[0]));
    Buffer target = view(builder.allocate(node, false));
    // Axis by axis: what is left of the target is painted before and after the source.
    for (std::size_t axis = 0; axis + 1 < rank; ++axis) {
        Axis& from = source.axes[axis];
        Axis& to = target.axes[axis];
        // A crop on one side may leave less than the padding on the other.
        const std::int64_t before = pads.value()[axis + 1];
        const std::int64_t first = std::clamp(before, std::int64_t{0}, to.extent);
        const std::int64_t end = std::clamp(before + from.extent, first, to.extent);
        SLUICE_RETURN_IF_ERROR(emit_paint(builder, node, paint, target, axis, 0, first));
        SLUICE_RETURN_IF_ERROR(
            emit_paint(builder, node, paint, target, axis, end, to.extent - end));
        if (end == first) {
            return {};
        }
        source.offset += (first - before) * from.stride;
        target.offset += first * to.stride;
        from.extent = end - first;
        to.extent = end - first;
    }
    return emit_copy(builder, node, source, target);
}

Status lower_concat(Builder& builder, const Node& node) {
    const std::size_t rank = builder.graph.values[std::size_t(node.outputs[0])].shape.size();
    const auto axis = normalize_axis(builder.graph.int_attribute(node, "axis", 0), rank);
    if (!axis || *axis == 0) {
        return builder.unsupported(node, "joins images of the batch", "run them apart");
    }
    Buffer target = view(builder.allocate(node, false));
    for (const ValueId id : node.inputs) {
        const Buffer source = view(builder.layout(id));
        Buffer part = target;
        part.axes[*axis - 1].extent = source.axes[*axis - 1].extent;
        SLUICE_RETURN_IF_ERROR(emit_copy(builder, node, source, part));
        target.offset += part.axes[*axis - 1].extent * target.axes[*axis - 1].stride;
    }
    return {};
}

Status lower_expand(Builder& builder, const Node& node) {
    Buffer source = view(builder.layout(node.inputs[0]));
    const Shape shape = builder.picture_shape(node.outputs[0]);
    if (source.axes.size() != shape.size()) {
        return builder.unsupported(node, "adds extents before the batch", "keep the batch first");
    }
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        if (source.axes[axis].extent != shape[axis]) {
            source.axes[axis] = {shape[axis], 0};
        }
    }
    return emit_copy(builder, node, source, view(builder.allocate(node, false)));
}

}  // namespace sluice
