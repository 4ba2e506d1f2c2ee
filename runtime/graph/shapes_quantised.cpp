#include "graph/quantization.h"
#include "graph/shape_rules.h"

namespace sluice::shape_rules {
namespace {

ElementType type_of(const Graph& graph, const Node& node, std::size_t index) {
    return graph.values[std::size_t(node.inputs[index])].type;
}

bool is_byte(ElementType type) { return type == ElementType::uint8 || type == ElementType::int8; }

Status need_bytes(const Graph& graph, const Node& node) {
    return error_at(graph, node, "reads something else than int8 and uint8",
                    "quantise the model again");
}

/// `node` with the inputs that an operator of floats has at their places.
Node with_inputs(const Node& node, Op op, std::initializer_list<std::size_t> places) {
    Node plain = node;
    plain.op = op;
    plain.inputs.clear();
    for (const std::size_t place : places) {
        plain.inputs.push_back(has_input(node, place) ? node.inputs[place] : no_value);
    }
    return plain;
}

/// The numbers of x, weights and y of QLinearConv and QLinearMatMul, which both have in this order.
Status check_numbers(const Graph& graph, const Node& node, const Shape& shape,
                     std::int64_t weight_axis) {
    if (!is_byte(type_of(graph, node, 0)) || !is_byte(type_of(graph, node, 3)) ||
        !is_byte(type_of(graph, node, 7))) {
        return need_bytes(graph, node);
    }
    const auto x =
        scales_and_zeros(graph, node, {1, 2}, input_shape(graph, node, 0), type_of(graph, node, 0));
    const auto weights = scales_and_zeros(graph, node, {4, 5, weight_axis},
                                          input_shape(graph, node, 3), type_of(graph, node, 3));
    const auto y = scales_and_zeros(graph, node, {6, 7}, shape, type_of(graph, node, 7));
    for (const auto* numbers : {&x, &weights, &y}) {
        SLUICE_RETURN_IF_ERROR(numbers->status());
    }
    return {};
}

}  // namespace

Result<Shape> quantize_linear(const Graph& graph, const Node& node) {
    if (type_of(graph, node, 0) != ElementType::float32) {
        return error_at(graph, node, "quantises integers", "quantise the model again");
    }
    SLUICE_RETURN_IF_ERROR(scales_and_zeros(graph, node).status());
    return input_shape(graph, node, 0);
}

Result<Shape> dequantize_linear(const Graph& graph, const Node& node) {
    const ElementType type = type_of(graph, node, 0);
    const bool is_bias = type == ElementType::int64 && graph.constant(node.inputs[0]) != nullptr;
    if (!is_byte(type) && !is_bias) {
        return need_bytes(graph, node);
    }
    SLUICE_RETURN_IF_ERROR(scales_and_zeros(graph, node).status());
    return input_shape(graph, node, 0);
}

Result<Shape> q_linear_conv(const Graph& graph, const Node& node) {
    Result<Shape> shape = conv(graph, with_inputs(node, Op::conv, {0, 3, 8}));
    if (shape.ok()) {
        SLUICE_RETURN_IF_ERROR(check_numbers(graph, node, shape.value(), 0));
    }
    return shape;
}

Result<Shape> q_linear_mat_mul(const Graph& graph, const Node& node) {
    Result<Shape> shape = mat_mul(graph, with_inputs(node, Op::mat_mul, {0, 3}));
    if (shape.ok()) {
        SLUICE_RETURN_IF_ERROR(check_numbers(graph, node, shape.value(), -1));
    }
    return shape;
}

Result<Shape> conv_integer(const Graph& graph, const Node& node) {
    const bool are_bytes = is_byte(type_of(graph, node, 0)) && is_byte(type_of(graph, node, 1));
    return are_bytes ? conv(graph, with_inputs(node, Op::conv, {0, 1}))
                     : Result<Shape>(need_bytes(graph, node));
}

Result<Shape> mat_mul_integer(const Graph& graph, const Node& node) {
    const bool are_bytes = is_byte(type_of(graph, node, 0)) && is_byte(type_of(graph, node, 1));
    return are_bytes ? mat_mul(graph, with_inputs(node, Op::mat_mul, {0, 1}))
                     : Result<Shape>(need_bytes(graph, node));
}

}  // namespace sluice::shape_rules
