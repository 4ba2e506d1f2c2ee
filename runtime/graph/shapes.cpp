#include "graph/shapes.h"

#include <algorithm>

#include "graph/quantization.h"
#include "graph/shape_rules.h"

namespace sluice {

namespace {

using shape_rules::does_not_fit;
using shape_rules::has_input;
using shape_rules::input_shape;
using shape_rules::no_such_axis;

Result<Shape> same_as_input(const Graph& graph, const Node& node) {
    return input_shape(graph, node, 0);
}

/// Dropout reads as Identity too, and its third input says whether it drops anything.
Result<Shape> identity(const Graph& graph, const Node& node) {
    const auto drops = constant_ints(graph, node, 2);
    if (has_input(node, 2) && drops != std::vector<std::int64_t>{0}) {
        return error_at(graph, node,
                        drops ? "is a Dropout with training_mode true"
                              : "is a Dropout whose training_mode is no constant",
                        "call model.eval() before the export");
    }
    return input_shape(graph, node, 0);
}

Result<Shape> broadcast_inputs(const Graph& graph, const Node& node) {
    Shape shape;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const auto wider = broadcast_shapes(shape, input_shape(graph, node, i));
        if (!wider) {
            return does_not_fit(graph, node);
        }
        shape = *wider;
    }
    return shape;
}

/// The slopes broadcast to the input, and never the input to them.
Result<Shape> p_relu(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    return broadcast_shapes(x, input_shape(graph, node, 1)) == x ? Result<Shape>(x)
                                                                 : does_not_fit(graph, node);
}

Result<Shape> batch_normalization(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    if (graph.int_attribute(node, "training_mode", 0) != 0) {
        return error_at(graph, node, "is in training mode", "call model.eval() before the export");
    }
    for (std::size_t i = 1; i < 5; ++i) {
        if (x.size() < 2 || !has_input(node, i) || input_shape(graph, node, i) != Shape{x[1]}) {
            return does_not_fit(graph, node);
        }
    }
    return x;
}

Result<Shape> softmax(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const std::int64_t axis = graph.int_attribute(node, "axis", -1);
    if (!normalize_axis(axis, x.size())) {
        return no_such_axis(graph, node, axis);
    }
    return x;
}

Result<Shape> gemm(const Graph& graph, const Node& node) {
    const Shape& a = input_shape(graph, node, 0);
    const Shape& b = input_shape(graph, node, 1);
    if (a.size() != 2 || b.size() != 2) {
        return does_not_fit(graph, node);
    }
    const std::size_t trans_a = graph.int_attribute(node, "transA", 0) != 0;
    const std::size_t trans_b = graph.int_attribute(node, "transB", 0) != 0;
    const Shape shape = {a[trans_a], b[1 - trans_b]};
    const bool bias_fits =
        !has_input(node, 2) || broadcast_shapes(input_shape(graph, node, 2), shape) == shape;
    if (a[1 - trans_a] != b[trans_b] || !bias_fits) {
        return does_not_fit(graph, node);
    }
    return shape;
}

struct Rule {
    std::size_t min_inputs;  ///< inputs that may not be left out
    Result<Shape> (*shape)(const Graph&, const Node&);
    /// From this input on, integers set the output's extents.
    std::optional<std::size_t> first_extents = std::nullopt;
};

Rule rule_of(Op op) {
    namespace rules = shape_rules;
    switch (op) {
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
        case Op::equal:
        case Op::pow:
            return {2, broadcast_inputs};
        case Op::where:
            return {3, broadcast_inputs};
        case Op::max:
        case Op::mean:
        case Op::min:
        case Op::sum:
            return {1, broadcast_inputs};
        case Op::abs:
        case Op::cast:
        case Op::ceil:
        case Op::celu:
        case Op::clip:
        case Op::elu:
        case Op::erf:
        case Op::exp:
        case Op::floor:
        case Op::gelu:
        case Op::hard_sigmoid:
        case Op::hard_swish:
        case Op::leaky_relu:
        case Op::log:
        case Op::mish:
        case Op::neg:
        case Op::reciprocal:
        case Op::relu:
        case Op::selu:
        case Op::sigmoid:
        case Op::softplus:
        case Op::softsign:
        case Op::sqrt:
        case Op::swish:
        case Op::tanh:
        case Op::thresholded_relu:
            return {1, same_as_input};
        case Op::p_relu:
            return {2, p_relu};
        case Op::arg_max:
            return {1, rules::arg_max};
        case Op::depth_to_space:
            return {1, rules::depth_to_space};
        case Op::space_to_depth:
            return {1, rules::space_to_depth};
        case Op::global_max_pool:
            return {1, rules::global_pool};
        case Op::group_normalization:
            return {3, rules::group_normalization};
        case Op::instance_normalization:
            return {3, rules::instance_normalization};
        case Op::layer_normalization:
            return {2, rules::layer_normalization};
        case Op::lrn:
            return {1, rules::lrn};
        case Op::log_softmax:
            return {1, softmax};
        case Op::split:
            return {1, rules::split, 1};
        case Op::tile:
            return {2, rules::tile, 1};
        case Op::identity:
            return {1, identity, 1};
        case Op::average_pool:
        case Op::max_pool:
            return {1, rules::pool};
        case Op::batch_normalization:
            return {5, batch_normalization};
        case Op::concat:
            return {1, rules::concat};
        case Op::constant:
            return {0, rules::constant};
        case Op::constant_of_shape:
            return {1, rules::constant_of_shape, 0};
        case Op::conv:
            return {2, rules::conv};
        case Op::conv_integer:
            return {2, rules::conv_integer};
        case Op::conv_transpose:
            return {2, rules::conv_transpose};
        case Op::dequantize_linear:
            return {2, rules::dequantize_linear};
        case Op::expand:
            return {2, rules::expand, 1};
        case Op::flatten:
            return {1, rules::flatten};
        case Op::gather:
            return {2, rules::gather};
        case Op::gemm:
            return {2, gemm};
        case Op::global_average_pool:
            return {1, rules::global_pool};
        case Op::mat_mul:
            return {2, rules::mat_mul};
        case Op::mat_mul_integer:
            return {2, rules::mat_mul_integer};
        case Op::pad:
            return {2, rules::pad, 1};
        case Op::q_linear_conv:
            return {8, rules::q_linear_conv};
        case Op::q_linear_mat_mul:
            return {8, rules::q_linear_mat_mul};
        case Op::quantize_linear:
            return {2, rules::quantize_linear};
        case Op::range:
            return {3, rules::range, 0};
        case Op::reduce_l2:
        case Op::reduce_max:
        case Op::reduce_mean:
        case Op::reduce_min:
        case Op::reduce_sum:
            return {1, rules::reduce, 1};
        case Op::reshape:
            return {2, rules::reshape, 1};
        case Op::resize:
            return {1, rules::resize, 1};
        case Op::scatter_nd:
            return {3, same_as_input};
        case Op::shape:
            return {1, rules::shape_of};
        case Op::slice:
            return {3, rules::slice, 1};
        case Op::softmax:
            return {1, softmax};
        case Op::squeeze:
            return {1, rules::squeeze, 1};
        case Op::transpose:
            return {1, rules::transpose};
        case Op::unsqueeze:
            return {2, rules::unsqueeze, 1};
        case Op::activation:
        case Op::affine:
        case Op::fake_quantize:
        case Op::fused_conv:
            break;
    }
    return {0, nullptr};
}

/// Rules may then take time in proportion to these integers, or to their square.
Status check_extent_inputs(const Graph& graph, const Node& node, const Rule& rule) {
    constexpr std::size_t most = 2 * max_rank;  // the pads before and behind each axis
    for (std::size_t i = rule.first_extents.value_or(node.inputs.size()); i < node.inputs.size();
         ++i) {
        const Constant* constant = graph.constant(node.inputs[i]);
        if (constant && constant->is_int64() && constant->ints().size() > most) {
            return error_at(
                graph, node,
                "takes " + std::to_string(constant->ints().size()) + " integers as its input " +
                    std::to_string(i) + ", more than " + std::to_string(most),
                "export with tensors of at most " + std::to_string(max_rank) + " extents");
        }
    }
    return {};
}

/// What a Cast to ONNX's TensorProto.DataType gives.
ElementType cast_type(std::int64_t to) {
    constexpr std::int64_t float32 = 1, uint8 = 2, int8 = 3, float16 = 10, float64 = 11,
                           bfloat16 = 16;
    switch (to) {
        case float32:
        case float16:
        case float64:
        case bfloat16:
            return ElementType::float32;
        case uint8:
            return ElementType::uint8;
        case int8:
            return ElementType::int8;
        default:
            return ElementType::int64;
    }
}

ElementType constant_type(const Node& node) {
    for (const auto& [name, attribute] : node.attributes) {
        if (const auto* tensor = std::get_if<std::shared_ptr<const Constant>>(&attribute)) {
            return (*tensor)->type();
        }
        return name == "value_int" || name == "value_ints" ? ElementType::int64
                                                           : ElementType::float32;
    }
    return ElementType::float32;
}

ElementType output_type(const Graph& graph, const Node& node) {
    const auto input_type = [&](std::size_t index) {
        return graph.values[std::size_t(node.inputs[index])].type;
    };
    switch (node.op) {
        case Op::arg_max:
        case Op::shape:
        case Op::equal:
            return ElementType::int64;
        case Op::where:
            return input_type(1);
        case Op::cast:
            return cast_type(graph.int_attribute(node, "to", 1));
        case Op::constant:
        case Op::constant_of_shape:
            return constant_type(node);
        case Op::dequantize_linear:
            return ElementType::float32;
        case Op::quantize_linear:
            return quantized_type(graph, node).value_or(ElementType::int64);
        case Op::q_linear_conv:
        case Op::q_linear_mat_mul:
            return input_type(7);
        case Op::conv_integer:
        case Op::mat_mul_integer:
            return ElementType::int64;
        default:
            return input_type(0);
    }
}

}  // namespace

namespace shape_rules {

Status does_not_fit(const Graph& graph, const Node& node) {
    std::string shapes;
    for (ValueId id : node.inputs) {
        shapes += (shapes.empty() ? "" : ", ") +
                  (id == no_value ? "-" : to_string(graph.values[std::size_t(id)].shape));
    }
    return error_at(graph, node, "has inputs that do not fit together: " + shapes,
                    "export the model again");
}

Status is_computed(const Graph& graph, const Node& node, const char* what) {
    return error_at(graph, node,
                    std::string("has ") + what + " that the model computes from its input",
                    "export with constant ones, of fixed image extents");
}

Status no_such_axis(const Graph& graph, const Node& node, std::int64_t axis) {
    return error_at(graph, node,
                    "has axis " + std::to_string(axis) + ", which " +
                        to_string(input_shape(graph, node, 0)) + " has not, or twice",
                    "export the model again");
}

Result<Shape> mat_mul(const Graph& graph, const Node& node) {
    const Shape& a = input_shape(graph, node, 0);
    const Shape& b = input_shape(graph, node, 1);
    if (a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2]) {
        return does_not_fit(graph, node);
    }
    auto shape = broadcast_shapes(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
    if (!shape) {
        return does_not_fit(graph, node);
    }
    shape->push_back(a[a.size() - 2]);
    shape->push_back(b.back());
    return *shape;
}

}  // namespace shape_rules

std::optional<std::size_t> first_extent_input(Op op) { return rule_of(op).first_extents; }

std::optional<std::vector<std::int64_t>> constant_ints(const Graph& graph, const Node& node,
                                                       std::size_t index) {
    const Constant* constant =
        has_input(node, index) ? graph.constant(node.inputs[index]) : nullptr;
    if (!constant || !constant->is_int64()) {
        return std::nullopt;
    }
    return constant->ints();
}

std::optional<Shape> broadcast_shapes(const Shape& a, const Shape& b) {
    Shape shape(std::max(a.size(), b.size()), 1);
    for (std::size_t i = 1; i <= shape.size(); ++i) {
        const std::int64_t from_a = i <= a.size() ? a[a.size() - i] : 1;
        const std::int64_t from_b = i <= b.size() ? b[b.size() - i] : 1;
        if (from_a != from_b && from_a != 1 && from_b != 1) {
            return std::nullopt;
        }
        shape[shape.size() - i] = from_a == 1 ? from_b : from_a;
    }
    return shape;
}

std::optional<std::size_t> normalize_axis(std::int64_t axis, std::size_t rank) {
    if (axis < -std::int64_t(rank) || axis >= std::int64_t(rank)) {
        return std::nullopt;
    }
    return std::size_t(axis < 0 ? axis + std::int64_t(rank) : axis);
}

Status infer_shape(Graph& graph, const Node& node) {
    const Rule rule = rule_of(node.op);
    if (!rule.shape) {  // fused nodes get their shapes from the pass that writes them
        return {};
    }
    const bool needs_all = rule.shape == broadcast_inputs || rule.shape == shape_rules::concat;
    for (std::size_t i = 0; i < std::max(rule.min_inputs, node.inputs.size()); ++i) {
        const bool is_given = has_input(node, i);
        if ((!is_given && (needs_all || i < rule.min_inputs)) ||
            (is_given && !graph.values[std::size_t(node.inputs[i])].shape_known)) {
            return error_at(graph, node, "has no input " + std::to_string(i) + " of known shape",
                            "export the model again");
        }
    }
    SLUICE_RETURN_IF_ERROR(check_extent_inputs(graph, node, rule));
    Result<Shape> shape = rule.shape(graph, node);
    if (!shape.ok()) {
        return shape.status();
    }
    if (const char* fault = shape_fault(shape.value())) {
        return error_at(graph, node,
                        "would give the shape " + to_string(shape.value()) + ", " + fault,
                        "export with smaller extents");
    }
    Value& output = graph.values[std::size_t(node.outputs[0])];
    output.shape = std::move(shape).value();
    output.shape_known = true;
    output.type = output_type(graph, node);
    return {};
}

}  // namespace sluice
