#include <algorithm>

#include "graph/shape_rules.h"

/// Of the operators that reduce axes, or normalise by what they reduce.
namespace sluice::shape_rules {

namespace {

/// One number per channel of the first input, or `channels` of them.
bool has_vector(const Graph& graph, const Node& node, std::size_t index, std::int64_t count) {
    return has_input(node, index) && input_shape(graph, node, index) == Shape{count};
}

Status needs_channels(const Graph& graph, const Node& node) {
    return error_at(graph, node, "needs [N, C, ...], not " + to_string(input_shape(graph, node, 0)),
                    "export the model again");
}

}  // namespace

Result<Shape> reduce(const Graph& graph, const Node& node) {
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

Result<Shape> arg_max(const Graph& graph, const Node& node) {
    Shape shape = input_shape(graph, node, 0);
    const std::int64_t number = graph.int_attribute(node, "axis", 0);
    const auto axis = normalize_axis(number, shape.size());
    if (!axis) {
        return no_such_axis(graph, node, number);
    }
    if (graph.int_attribute(node, "keepdims", 1) != 0) {
        shape[*axis] = 1;
    } else {
        shape.erase(shape.begin() + std::ptrdiff_t(*axis));
    }
    return shape;
}

Result<Shape> instance_normalization(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    if (x.size() < 3) {
        return needs_channels(graph, node);
    }
    return has_vector(graph, node, 1, x[1]) && has_vector(graph, node, 2, x[1])
               ? Result<Shape>(x)
               : does_not_fit(graph, node);
}

Result<Shape> group_normalization(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    if (x.size() < 3) {
        return needs_channels(graph, node);
    }
    const std::int64_t groups = graph.int_attribute(node, "num_groups", 0);
    if (groups < 1 || x[1] % groups != 0) {
        return error_at(graph, node,
                        "has " + std::to_string(groups) + " groups, which do not divide the " +
                            std::to_string(x[1]) + " channels of " + to_string(x),
                        "export the model again");
    }
    constexpr std::int64_t per_channel_since = 21;
    const std::int64_t count = graph.opset < per_channel_since ? groups : x[1];
    return has_vector(graph, node, 1, count) && has_vector(graph, node, 2, count)
               ? Result<Shape>(x)
               : does_not_fit(graph, node);
}

Result<Shape> layer_normalization(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const std::int64_t number = graph.int_attribute(node, "axis", -1);
    const auto axis = normalize_axis(number, x.size());
    if (!axis) {
        return no_such_axis(graph, node, number);
    }
    for (std::size_t i = 1; i < std::min<std::size_t>(node.inputs.size(), 3); ++i) {
        if (has_input(node, i) && broadcast_shapes(input_shape(graph, node, i), x) != x) {
            return does_not_fit(graph, node);
        }
    }
    return x;
}

Result<Shape> lrn(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    if (x.size() < 3) {
        return needs_channels(graph, node);
    }
    if (graph.int_attribute(node, "size", 0) < 1) {
        return error_at(graph, node,
                        "has the size " + std::to_string(graph.int_attribute(node, "size", 0)),
                        "export the model again");
    }
    return x;
}

}  // namespace sluice::shape_rules
