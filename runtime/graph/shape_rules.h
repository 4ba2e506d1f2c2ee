#pragma once

#include "graph/shapes.h"

/// The shape rules that shapes.cpp dispatches to: each gives the shape of the node's output.
namespace sluice::shape_rules {

inline const Shape& input_shape(const Graph& graph, const Node& node, std::size_t index) {
    return graph.values[std::size_t(node.inputs[index])].shape;
}

inline bool has_input(const Node& node, std::size_t index) {
    return index < node.inputs.size() && node.inputs[index] != no_value;
}

/// The integers of an input, in the order of a file; a Status where it is computed or no integers.
/// `what` they are.
Result<std::vector<std::int64_t>> integers(const Graph& graph, const Node& node, std::size_t index,
                                           const char* what);
/// That the node's inputs have the shapes they have.
Status does_not_fit(const Graph& graph, const Node& node);
/// That `what` of the node depends on the model's input.
Status is_computed(const Graph& graph, const Node& node, const char* what);
/// That the input has no such axis, or that it is listed twice.
Status no_such_axis(const Graph& graph, const Node& node, std::int64_t axis);

Result<Shape> conv(const Graph& graph, const Node& node);
Result<Shape> conv_transpose(const Graph& graph, const Node& node);
Result<Shape> pool(const Graph& graph, const Node& node);
Result<Shape> global_pool(const Graph& graph, const Node& node);
Result<Shape> resize(const Graph& graph, const Node& node);
Result<Shape> mat_mul(const Graph& graph, const Node& node);

Result<Shape> group_normalization(const Graph& graph, const Node& node);
Result<Shape> instance_normalization(const Graph& graph, const Node& node);
Result<Shape> layer_normalization(const Graph& graph, const Node& node);
Result<Shape> lrn(const Graph& graph, const Node& node);

Result<Shape> conv_integer(const Graph& graph, const Node& node);
Result<Shape> dequantize_linear(const Graph& graph, const Node& node);
Result<Shape> mat_mul_integer(const Graph& graph, const Node& node);
Result<Shape> q_linear_conv(const Graph& graph, const Node& node);
Result<Shape> q_linear_mat_mul(const Graph& graph, const Node& node);
Result<Shape> quantize_linear(const Graph& graph, const Node& node);

Result<Shape> constant(const Graph& graph, const Node& node);
Result<Shape> constant_of_shape(const Graph& graph, const Node& node);
Result<Shape> range(const Graph& graph, const Node& node);
Result<Shape> shape_of(const Graph& graph, const Node& node);

Result<Shape> concat(const Graph& graph, const Node& node);
Result<Shape> depth_to_space(const Graph& graph, const Node& node);
Result<Shape> expand(const Graph& graph, const Node& node);
Result<Shape> flatten(const Graph& graph, const Node& node);
Result<Shape> gather(const Graph& graph, const Node& node);
Result<Shape> pad(const Graph& graph, const Node& node);
Result<Shape> arg_max(const Graph& graph, const Node& node);
Result<Shape> reduce(const Graph& graph, const Node& node);
Result<Shape> reshape(const Graph& graph, const Node& node);
Result<Shape> slice(const Graph& graph, const Node& node);
Result<Shape> space_to_depth(const Graph& graph, const Node& node);
Result<Shape> split(const Graph& graph, const Node& node);
Result<Shape> squeeze(const Graph& graph, const Node& node);
Result<Shape> tile(const Graph& graph, const Node& node);
Result<Shape> transpose(const Graph& graph, const Node& node);
Result<Shape> unsqueeze(const Graph& graph, const Node& node);

}  // namespace sluice::shape_rules
