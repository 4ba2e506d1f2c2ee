#include <cmath>

#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

const Floats* floats(const Graph& graph, const Node& node, std::size_t i) {
    if (i >= node.inputs.size() || node.inputs[i] == no_value) {
        return nullptr;
    }
    const Constant* constant = graph.constant(node.inputs[i]);
    return constant != nullptr && constant->is_float() ? &constant->floats() : nullptr;
}

/// A constant that broadcasts to x as one value or one per channel; else null.
const Floats* per_channel(const Graph& graph, const Node& node, std::size_t i, const Shape& x) {
    const Floats* data = floats(graph, node, i);
    if (data == nullptr) {
        return nullptr;
    }
    const Shape& shape = graph.constant(node.inputs[i])->shape;
    if (shape.size() > x.size()) {
        return nullptr;
    }
    const std::size_t missing = x.size() - shape.size();
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        const bool is_channel = axis + missing == 1;
        if (shape[axis] != 1 && !(is_channel && shape[axis] == x[1])) {
            return nullptr;
        }
    }
    return data;
}

std::optional<Affine> batch_normalization(const Graph& graph, const Node& node) {
    const auto* gamma = floats(graph, node, 1);
    const auto* beta = floats(graph, node, 2);
    const auto* mean = floats(graph, node, 3);
    const auto* variance = floats(graph, node, 4);
    if (!gamma || !beta || !mean || !variance) {
        return std::nullopt;
    }
    const double epsilon = graph.float_attribute(node, "epsilon", 1e-5F);
    Affine affine;
    for (std::size_t c = 0; c < gamma->size(); ++c) {
        const double scale = (*gamma)[c] / std::sqrt((*variance)[c] + epsilon);
        affine.scale.push_back(float(scale));
        affine.shift.push_back(float((*beta)[c] - (*mean)[c] * scale));
    }
    return affine;
}

std::optional<Affine> clip(const Graph& graph, const Node& node) {
    // A bound that is left out is the lowest or the largest number, no infinity.
    using Limits = std::numeric_limits<float>;
    Affine affine{{1}, {0}, {Limits::lowest(), Limits::max()}};
    for (const std::size_t i : {1U, 2U}) {
        if (i >= node.inputs.size() || node.inputs[i] == no_value) {
            continue;
        }
        const auto* bound = floats(graph, node, i);
        if (bound == nullptr || bound->size() != 1) {
            return std::nullopt;
        }
        // As ONNX Runtime, to which NaN is no bound at all.
        const float none = i == 1 ? -Limits::infinity() : Limits::infinity();
        (i == 1 ? affine.clamp.low : affine.clamp.high) =
            std::isnan((*bound)[0]) ? none : (*bound)[0];
    }
    return affine;
}

/// x op constant, or constant op x.
std::optional<Affine> arithmetic(const Graph& graph, const Node& node, std::size_t x) {
    const Shape& shape = shape_of(graph, node.outputs[0]);
    const auto* constant = per_channel(graph, node, 1 - x, shape);
    if (constant == nullptr || shape_of(graph, node.inputs[x]) != shape) {
        return std::nullopt;
    }
    Affine affine;
    for (const float c : *constant) {
        double scale = 1, shift = 0;
        switch (node.op) {
            case Op::mul:
                scale = c;
                break;
            case Op::add:
                shift = c;
                break;
            case Op::sub:
                scale = x == 0 ? 1 : -1;
                shift = x == 0 ? -c : c;
                break;
            default:
                scale = 1.0 / c;
                if (x == 1 || std::isinf(float(scale))) {
                    return std::nullopt;  // c / x is not affine, and 0 / 1e-40 is no 0 * infinity
                }
        }
        affine.scale.push_back(float(scale));
        affine.shift.push_back(float(shift));
    }
    return affine;
}

/// Sets `x` to the index of the input that stays.
std::optional<Affine> affine_of(const Graph& graph, const Node& node, std::size_t& x) {
    x = 0;
    switch (node.op) {
        case Op::relu:
            return Affine{{1}, {0}, {0, Clamp{}.high}};
        case Op::clip:
            return clip(graph, node);
        case Op::batch_normalization:
            return batch_normalization(graph, node);
        case Op::hard_sigmoid:
            return Affine{{graph.float_attribute(node, "alpha", 0.2F)},
                          {graph.float_attribute(node, "beta", 0.5F)},
                          {0, 1}};
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
            x = graph.constant(node.inputs[0]) != nullptr ? 1 : 0;
            return arithmetic(graph, node, x);
        default:
            return std::nullopt;
    }
}

}  // namespace

Status make_affine(Graph& graph) {
    for (Node& node : graph.nodes) {
        std::size_t x = 0;
        if (auto affine = affine_of(graph, node, x)) {
            node.op = Op::affine;
            node.inputs = {node.inputs[x]};
            node.attributes.clear();
            node.affine = std::move(affine);
        }
    }
    return {};
}

}  // namespace sluice
