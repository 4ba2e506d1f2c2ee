#include <algorithm>
#include <limits>

#include "graph/shape_rules.h"

namespace sluice {

namespace {

constexpr std::int64_t max_step = std::int64_t(1) << 40;

Status needs_constant(const Graph& graph, const Node& node, const char* what) {
    return error_at(graph, node,
                    std::string("has ") + what +
                        " that do not fit or depend on the "
                        "picture",
                    "export with fixed picture extents");
}

SliceRange slice_range(std::int64_t start, std::int64_t end, std::int64_t step,
                       std::int64_t extent) {
    SliceRange range;
    range.step = std::clamp(step, -max_step, max_step);
    // What exporters write for "to the end"; a batch of another size must not be cut at this one's.
    range.is_open = step > 0 && end >= std::numeric_limits<std::int32_t>::max();
    start = start < 0 ? start + extent : start;
    end = end < 0 ? end + extent : end;
    if (range.step > 0) {
        range.start = std::clamp<std::int64_t>(start, 0, extent);
        end = std::clamp<std::int64_t>(end, 0, extent);
        range.count = end > range.start ? (end - range.start - 1) / range.step + 1 : 0;
    } else if (extent > 0) {
        range.start = std::clamp<std::int64_t>(start, 0, extent - 1);
        end = std::clamp<std::int64_t>(end, -1, extent - 1);
        range.count = range.start > end ? (range.start - end - 1) / -range.step + 1 : 0;
    }
    return range;
}

}  // namespace

Result<std::vector<SliceRange>> slice_ranges(const Graph& graph, const Node& node) {
    const Shape& x = shape_rules::input_shape(graph, node, 0);
    const auto starts = constant_ints(graph, node, 1);
    const auto ends = constant_ints(graph, node, 2);
    const std::size_t count = starts ? starts->size() : 0;
    std::vector<std::int64_t> axes(count);
    for (std::size_t i = 0; i < count; ++i) {
        axes[i] = std::int64_t(i);
    }
    std::vector<std::int64_t> steps(count, 1);
    if (shape_rules::has_input(node, 3)) {
        axes = constant_ints(graph, node, 3).value_or(std::vector<std::int64_t>());
    }
    if (shape_rules::has_input(node, 4)) {
        steps = constant_ints(graph, node, 4).value_or(std::vector<std::int64_t>());
    }
    if (!starts || !ends || ends->size() != count || axes.size() != count ||
        steps.size() != count) {
        return needs_constant(graph, node, "bounds");
    }
    std::vector<SliceRange> ranges;
    for (std::int64_t extent : x) {
        ranges.push_back({0, 1, extent});
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto axis = normalize_axis(axes[i], x.size());
        if (!axis || steps[i] == 0) {
            return needs_constant(graph, node, "bounds");
        }
        ranges[*axis] = slice_range((*starts)[i], (*ends)[i], steps[i], x[*axis]);
    }
    return ranges;
}

Result<std::vector<std::int64_t>> pad_extents(const Graph& graph, const Node& node) {
    const std::size_t rank = shape_rules::input_shape(graph, node, 0).size();
    const auto pads = constant_ints(graph, node, 1);
    std::vector<std::int64_t> axes;
    for (std::size_t axis = 0; axis < rank; ++axis) {
        axes.push_back(std::int64_t(axis));
    }
    if (shape_rules::has_input(node, 3)) {
        axes = constant_ints(graph, node, 3).value_or(std::vector<std::int64_t>());
    }
    if (!pads || pads->size() != 2 * axes.size()) {
        return needs_constant(graph, node, "pads");
    }
    std::vector<std::int64_t> extents(2 * rank, 0);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto axis = normalize_axis(axes[i], rank);
        const std::int64_t before = (*pads)[i], after = (*pads)[i + axes.size()];
        if (!axis || std::max(before, after) > max_step || std::min(before, after) < -max_step) {
            return needs_constant(graph, node, "pads");
        }
        extents[*axis] = before;
        extents[*axis + rank] = after;
    }
    return extents;
}

Result<std::vector<std::size_t>> node_axes(const Graph& graph, const Node& node, std::size_t rank) {
    std::vector<std::int64_t> listed = graph.ints_attribute(node, "axes", {});
    if (shape_rules::has_input(node, 1)) {
        const auto constant = constant_ints(graph, node, 1);
        if (!constant) {
            return needs_constant(graph, node, "axes");
        }
        listed = *constant;
    }
    std::vector<std::size_t> axes;
    for (std::int64_t number : listed) {
        const auto axis = normalize_axis(number, rank);
        if (!axis || std::count(axes.begin(), axes.end(), *axis) > 0) {
            return needs_constant(graph, node, "axes");
        }
        axes.push_back(*axis);
    }
    std::sort(axes.begin(), axes.end());
    return axes;
}

namespace shape_rules {

Result<Shape> slice(const Graph& graph, const Node& node) {
    Result<std::vector<SliceRange>> ranges = slice_ranges(graph, node);
    if (!ranges.ok()) {
        return ranges.status();
    }
    Shape shape;
    for (const SliceRange& range : ranges.value()) {
        shape.push_back(range.count);
    }
    return shape;
}

Result<Shape> pad(const Graph& graph, const Node& node) {
    Result<std::vector<std::int64_t>> pads = pad_extents(graph, node);
    if (!pads.ok()) {
        return pads.status();
    }
    if (has_input(node, 2) && element_count(input_shape(graph, node, 2)) != 1) {
        return error_at(graph, node,
                        "pads with " + to_string(input_shape(graph, node, 2)) + " values",
                        "pad with one value");
    }
    Shape shape = input_shape(graph, node, 0);
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        shape[axis] += pads.value()[axis] + pads.value()[axis + shape.size()];
    }
    return shape;
}

Result<Shape> concat(const Graph& graph, const Node& node) {
    Shape shape = input_shape(graph, node, 0);
    const auto axis = normalize_axis(graph.int_attribute(node, "axis", 0), shape.size());
    for (std::size_t i = 1; axis && i < node.inputs.size(); ++i) {
        Shape other = input_shape(graph, node, i);
        if (other.size() != shape.size()) {
            return needs_constant(graph, node, "inputs");
        }
        const std::int64_t extent = other[*axis];
        other[*axis] = shape[*axis];
        if (other != shape) {
            return needs_constant(graph, node, "inputs");
        }
        shape[*axis] += extent;
    }
    return axis ? Result<Shape>(shape) : needs_constant(graph, node, "axes");
}

Result<Shape> expand(const Graph& graph, const Node& node) {
    const auto target = constant_ints(graph, node, 1);
    const auto shape =
        target ? broadcast_shapes(input_shape(graph, node, 0), *target) : std::nullopt;
    return shape ? Result<Shape>(*shape) : needs_constant(graph, node, "target extents");
}

Result<Shape> flatten(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const std::int64_t rank = std::int64_t(x.size());
    std::int64_t axis = graph.int_attribute(node, "axis", 1);
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 0 || axis > rank) {  // the end itself is allowed here
        return needs_constant(graph, node, "axes");
    }
    return Shape{element_count(Shape(x.begin(), x.begin() + axis)),
                 element_count(Shape(x.begin() + axis, x.end()))};
}

Result<Shape> gather(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const Shape& indices = input_shape(graph, node, 1);
    const auto axis = normalize_axis(graph.int_attribute(node, "axis", 0), x.size());
    if (!axis) {
        return needs_constant(graph, node, "axes");
    }
    Shape shape(x.begin(), x.begin() + std::ptrdiff_t(*axis));
    shape.insert(shape.end(), indices.begin(), indices.end());
    shape.insert(shape.end(), x.begin() + std::ptrdiff_t(*axis) + 1, x.end());
    return shape;
}

Result<Shape> reduce_mean(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    Result<std::vector<std::size_t>> axes = node_axes(graph, node, x.size());
    if (!axes.ok()) {
        return axes.status();
    }
    const bool all = axes->empty() && graph.int_attribute(node, "noop_with_empty_axes", 0) == 0;
    const bool keep = graph.int_attribute(node, "keepdims", 1) != 0;
    Shape shape;
    for (std::size_t axis = 0; axis < x.size(); ++axis) {
        if (!all && std::count(axes->begin(), axes->end(), axis) == 0) {
            shape.push_back(x[axis]);
        } else if (keep) {
            shape.push_back(1);
        }
    }
    return shape;
}

Result<Shape> reshape(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const auto target = constant_ints(graph, node, 1);
    if (!target) {
        return needs_constant(graph, node, "target extents");
    }
    Shape shape = *target;
    const bool copy_zero = graph.int_attribute(node, "allowzero", 0) == 0;
    std::optional<std::size_t> open;
    std::int64_t known = 1;
    bool fits = true;
    for (std::size_t axis = 0; axis < shape.size() && fits; ++axis) {
        if (shape[axis] == 0 && copy_zero) {
            fits = axis < x.size();
            shape[axis] = fits ? x[axis] : 0;
        }
        if (shape[axis] == -1 && !open) {
            open = axis;
            continue;
        }
        fits = fits && shape[axis] >= 0 && shape[axis] <= max_step &&
               !__builtin_mul_overflow(known, shape[axis], &known);
    }
    const std::int64_t count = element_count(x);
    if (fits && open && known > 0 && count % known == 0) {
        shape[*open] = count / known;
        known = count;
    } else if (open) {
        fits = false;
    }
    if (!fits || known != count) {
        return error_at(graph, node, "cannot reshape " + to_string(x) + " to " + to_string(*target),
                        "export with fixed picture extents");
    }
    return shape;
}

Result<Shape> squeeze(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    Result<std::vector<std::size_t>> axes = node_axes(graph, node, x.size());
    if (!axes.ok()) {
        return axes.status();
    }
    const bool all = !has_input(node, 1);
    Shape shape;
    for (std::size_t axis = 0; axis < x.size(); ++axis) {
        const bool is_listed = std::count(axes->begin(), axes->end(), axis) > 0;
        if (is_listed && x[axis] != 1) {
            return needs_constant(graph, node, "axes");
        }
        if (!is_listed && !(all && x[axis] == 1)) {
            shape.push_back(x[axis]);
        }
    }
    return shape;
}

Result<Shape> unsqueeze(const Graph& graph, const Node& node) {
    Shape shape = input_shape(graph, node, 0);
    const auto listed = constant_ints(graph, node, 1);
    const std::size_t rank = shape.size() + (listed ? listed->size() : 0);
    Result<std::vector<std::size_t>> axes = node_axes(graph, node, rank);
    if (!axes.ok()) {
        return axes.status();
    }
    for (std::size_t axis : axes.value()) {
        shape.insert(shape.begin() + std::ptrdiff_t(axis), 1);
    }
    return shape;
}

Result<Shape> transpose(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    std::vector<std::int64_t> order;
    for (std::size_t axis = x.size(); axis > 0; --axis) {
        order.push_back(std::int64_t(axis) - 1);
    }
    const auto permutation = graph.ints_attribute(node, "perm", order);
    std::vector<std::int64_t> sorted = permutation;
    std::sort(sorted.begin(), sorted.end());
    std::reverse(order.begin(), order.end());
    if (sorted != order) {
        return needs_constant(graph, node, "axes");
    }
    Shape shape;
    for (std::int64_t axis : permutation) {
        shape.push_back(x[std::size_t(axis)]);
    }
    return shape;
}

}  // namespace shape_rules

}  // namespace sluice
