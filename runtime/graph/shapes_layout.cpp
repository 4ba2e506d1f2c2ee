#include <algorithm>
#include <limits>
#include <numeric>

#include "graph/shape_rules.h"

namespace sluice {

using shape_rules::integers;

namespace {

constexpr std::int64_t max_step = std::int64_t(1) << 40;

Status do_not_fit(const Graph& graph, const Node& node, const char* what,
                  const std::vector<std::int64_t>& numbers) {
    return error_at(graph, node,
                    std::string("has ") + what + " " + to_string(numbers) + ", which do not fit " +
                        to_string(shape_rules::input_shape(graph, node, 0)),
                    "export the model again");
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
    const auto starts = integers(graph, node, 1, "starts");
    const auto ends = integers(graph, node, 2, "ends");
    if (!starts.ok() || !ends.ok()) {
        return starts.ok() ? ends.status() : starts.status();
    }
    const std::size_t count = starts->size();
    std::vector<std::int64_t> all(count);
    std::iota(all.begin(), all.end(), std::int64_t{0});
    const bool has_axes = shape_rules::has_input(node, 3),
               has_steps = shape_rules::has_input(node, 4);
    const auto axes = has_axes ? integers(graph, node, 3, "axes") : all;
    const auto steps =
        has_steps ? integers(graph, node, 4, "steps") : std::vector<std::int64_t>(count, 1);
    if (!axes.ok() || !steps.ok()) {
        return axes.ok() ? steps.status() : axes.status();
    }
    if (ends->size() != count || axes->size() != count || steps->size() != count) {
        return shape_rules::does_not_fit(graph, node);
    }
    std::vector<SliceRange> ranges;
    for (std::int64_t extent : x) {
        ranges.push_back({0, 1, extent});
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto axis = normalize_axis(axes.value()[i], x.size());
        if (!axis) {
            return shape_rules::no_such_axis(graph, node, axes.value()[i]);
        }
        if (steps.value()[i] == 0) {
            return error_at(graph, node, "goes in steps of 0", "export the model again");
        }
        ranges[*axis] = slice_range(starts.value()[i], ends.value()[i], steps.value()[i], x[*axis]);
    }
    return ranges;
}

Result<std::vector<std::int64_t>> pad_extents(const Graph& graph, const Node& node) {
    const std::size_t rank = shape_rules::input_shape(graph, node, 0).size();
    const auto pads = integers(graph, node, 1, "pads");
    std::vector<std::int64_t> all(rank);
    std::iota(all.begin(), all.end(), std::int64_t{0});
    const auto axes = shape_rules::has_input(node, 3) ? integers(graph, node, 3, "axes") : all;
    if (!pads.ok() || !axes.ok()) {
        return pads.ok() ? axes.status() : pads.status();
    }
    const std::size_t count = axes->size();
    const bool is_large = std::any_of(pads->begin(), pads->end(), [](std::int64_t pad) {
        return pad > max_step || pad < -max_step;
    });
    if (pads->size() != 2 * count || is_large) {
        return do_not_fit(graph, node, "pads", pads.value());
    }
    std::vector<std::int64_t> extents(2 * rank, 0);
    for (std::size_t i = 0; i < count; ++i) {
        const auto axis = normalize_axis(axes.value()[i], rank);
        if (!axis) {
            return shape_rules::no_such_axis(graph, node, axes.value()[i]);
        }
        extents[*axis] = pads.value()[i];
        extents[*axis + rank] = pads.value()[i + count];
    }
    return extents;
}

Result<std::vector<std::size_t>> node_axes(const Graph& graph, const Node& node, std::size_t rank) {
    const auto listed = shape_rules::has_input(node, 1) ? integers(graph, node, 1, "axes")
                                                        : graph.ints_attribute(node, "axes", {});
    if (!listed.ok()) {
        return listed.status();
    }
    std::vector<bool> is_listed(rank, false);
    for (const std::int64_t number : listed.value()) {
        const auto axis = normalize_axis(number, rank);
        if (!axis || is_listed[*axis]) {
            return shape_rules::no_such_axis(graph, node, number);
        }
        is_listed[*axis] = true;
    }
    std::vector<std::size_t> axes;
    for (std::size_t axis = 0; axis < rank; ++axis) {
        if (is_listed[axis]) {
            axes.push_back(axis);
        }
    }
    return axes;
}

namespace shape_rules {

Result<std::vector<std::int64_t>> integers(const Graph& graph, const Node& node, std::size_t index,
                                           const char* what) {
    auto ints = constant_ints(graph, node, index);
    if (ints) {
        return *std::move(ints);
    }
    if (has_input(node, index) && graph.constant(node.inputs[index]) != nullptr) {
        return error_at(graph, node, std::string("has ") + what + " of floats",
                        "export the model again");
    }
    return is_computed(graph, node, what);
}

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
                        "pads with values of the shape " + to_string(input_shape(graph, node, 2)),
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
    const std::int64_t number = graph.int_attribute(node, "axis", 0);
    const auto axis = normalize_axis(number, shape.size());
    if (!axis) {
        return no_such_axis(graph, node, number);
    }
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        Shape other = input_shape(graph, node, i);
        if (other.size() != shape.size()) {
            return does_not_fit(graph, node);
        }
        const std::int64_t extent = other[*axis];
        other[*axis] = shape[*axis];
        if (other != shape) {
            return does_not_fit(graph, node);
        }
        shape[*axis] += extent;
    }
    return shape;
}

Result<Shape> expand(const Graph& graph, const Node& node) {
    const auto target = integers(graph, node, 1, "target extents");
    if (!target.ok()) {
        return target.status();
    }
    const auto shape = broadcast_shapes(input_shape(graph, node, 0), target.value());
    return shape ? Result<Shape>(*shape)
                 : do_not_fit(graph, node, "target extents", target.value());
}

Result<Shape> flatten(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const std::int64_t rank = std::int64_t(x.size());
    const std::int64_t number = graph.int_attribute(node, "axis", 1);
    const std::int64_t axis = number < 0 ? number + rank : number;
    if (axis < 0 || axis > rank) {  // the end itself is allowed here
        return no_such_axis(graph, node, number);
    }
    return Shape{element_count(Shape(x.begin(), x.begin() + axis)),
                 element_count(Shape(x.begin() + axis, x.end()))};
}

Result<Shape> gather(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const Shape& indices = input_shape(graph, node, 1);
    const std::int64_t number = graph.int_attribute(node, "axis", 0);
    const auto axis = normalize_axis(number, x.size());
    if (!axis) {
        return no_such_axis(graph, node, number);
    }
    Shape shape(x.begin(), x.begin() + std::ptrdiff_t(*axis));
    shape.insert(shape.end(), indices.begin(), indices.end());
    shape.insert(shape.end(), x.begin() + std::ptrdiff_t(*axis) + 1, x.end());
    return shape;
}

Result<Shape> reshape(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const auto target = integers(graph, node, 1, "target extents");
    if (!target.ok()) {
        return target.status();
    }
    Shape shape = target.value();
    const bool copy_zero = graph.int_attribute(node, "allowzero", 0) == 0;
    std::optional<std::size_t> inferred;
    std::int64_t known = 1;
    bool fits = true;
    for (std::size_t axis = 0; axis < shape.size() && fits; ++axis) {
        if (shape[axis] == 0 && copy_zero) {
            fits = axis < x.size();
            shape[axis] = fits ? x[axis] : 0;
        }
        if (shape[axis] == -1 && !inferred) {
            inferred = axis;
            continue;
        }
        fits = fits && shape[axis] >= 0 && shape[axis] <= max_step &&
               !__builtin_mul_overflow(known, shape[axis], &known);
    }
    const std::int64_t count = element_count(x);
    if (fits && inferred && known > 0 && count % known == 0) {
        shape[*inferred] = count / known;
        known = count;
    } else if (inferred) {
        fits = false;
    }
    if (!fits || known != count) {
        return error_at(graph, node,
                        "cannot reshape " + to_string(x) + " to " + to_string(target.value()),
                        "export the model again");
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
            return error_at(
                graph, node,
                "drops axis " + std::to_string(axis) + " of " + to_string(x) + ", which is not 1",
                "export the model again");
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
    const Shape permutation = transpose_order(graph, node);
    Shape axes(x.size());
    std::iota(axes.begin(), axes.end(), std::int64_t{0});
    if (!std::ranges::is_permutation(permutation, axes)) {
        return do_not_fit(graph, node, "perm", permutation);
    }
    Shape shape;
    for (std::int64_t axis : permutation) {
        shape.push_back(x[std::size_t(axis)]);
    }
    return shape;
}

}  // namespace shape_rules

Shape transpose_order(const Graph& graph, const Node& node) {
    Shape reversed(shape_rules::input_shape(graph, node, 0).size());
    std::iota(reversed.rbegin(), reversed.rend(), std::int64_t{0});
    return graph.ints_attribute(node, "perm", reversed);
}

}  // namespace sluice
