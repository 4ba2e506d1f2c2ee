#include "plan/refusal.h"

#include <limits>

namespace sluice {
namespace {

struct Why {
    std::string what, remedy;
};

const Shape& shape_of(const Graph& graph, ValueId id) {
    return graph.values[std::size_t(id)].shape;
}

Why conv(const Graph& graph, const Node& node) {
    const Shape& weights = shape_of(graph, node.inputs[1]);
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        const char* const name = i == 1 ? "weights" : "a bias";
        const Constant* constant = graph.constant(node.inputs[i]);
        if (node.inputs[i] != no_value && constant == nullptr) {
            return {std::string("has ") + name + " that the model computes from its input",
                    "export with constant weights"};
        }
        if (constant != nullptr && !constant->is_float()) {
            return {std::string("has ") + name + " of integers", "export float32 weights"};
        }
    }
    if (weights.size() == 4) {
        return {"has strides " + to_string(graph.ints_attribute(node, "strides", {1, 1})) +
                    ", whose outputs are too far apart",
                "use smaller strides"};
    }
    return {
        "convolves " + to_string(shape_of(graph, node.inputs[0])) + ", which is no [N, C, H, W]",
        "use two-dimensional convolutions"};
}

Why why_not(const Graph& graph, const Node& node) {
    switch (node.op) {
        case Op::conv:
        case Op::conv_transpose:
            return conv(graph, node);
        case Op::group_normalization:
        case Op::instance_normalization:
            return {"has scales or biases that the model computes from its input",
                    "export with constant ones"};
        case Op::lrn:
            return {"normalises " + to_string(shape_of(graph, node.inputs[0])) +
                        ", which is no [N, C, H, W]",
                    "normalise two-dimensional images"};
        case Op::tile:
            return {"repeats " + to_string(shape_of(graph, node.inputs[0])) +
                        " more than 64 times along an axis",
                    "use Expand of an extent of 1"};
        case Op::scatter_nd:
            return {"writes other elements than neighbouring rows of one axis, or adds to them",
                    "join slices by Concat"};
        case Op::clip:
            return {"has bounds that the model computes from its input",
                    "export with constant bounds"};
        case Op::batch_normalization:
            return {"has coefficients that the model computes from its input",
                    "export with constant coefficients"};
        default:
            return {
                "reads what the model computes from its input, and Sluice computes it of "
                "constants alone",
                "replace it in the model"};
    }
}

}  // namespace

Status refusal(const Graph& graph, const Node& node) {
    const Why why = why_not(graph, node);
    return error_at(graph, node, why.what, why.remedy);
}

Status check_size(const Planner& planner, const Node& node) {
    const ValueId id = node.outputs[0];
    const std::int64_t elements = planner.layouts.padded_elements(id);
    if (elements > std::numeric_limits<std::int32_t>::max()) {
        return planner.unsupported(
            node,
            "gives " + to_string(planner.graph.values[std::size_t(id)].shape) + ", which takes " +
                std::to_string(elements) + " elements with its padding, more than 2147483647",
            "export with a smaller image");
    }
    return {};
}

}  // namespace sluice
