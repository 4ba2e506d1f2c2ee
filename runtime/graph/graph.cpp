#include "graph/graph.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace sluice {

namespace {

/// The attribute where it is present and of this type, else the fallback.
template <typename T>
T attribute_or(const Node& node, const std::string& name, const T& fallback) {
    const auto found = node.attributes.find(name);
    if (found == node.attributes.end()) {
        return fallback;
    }
    const T* value = std::get_if<T>(&found->second);
    return value ? *value : fallback;
}

}  // namespace

std::int64_t element_count(const Shape& shape) {
    std::int64_t count = 1;
    for (std::int64_t extent : shape) {
        count *= extent;
    }
    return count;
}

const char* shape_fault(const Shape& shape) {
    constexpr std::int64_t most = std::int64_t(1) << 31;
    if (shape.size() > max_rank) {
        static_assert(max_rank == 8);
        return "more than 8 extents";
    }
    std::int64_t count = 1;
    for (std::int64_t extent : shape) {
        if (extent < 0) {
            return "a negative extent";
        }
        if (extent > 0 && count > most / extent) {
            return "more than 2147483648 elements";
        }
        count *= std::max(extent, std::int64_t{1});
    }
    return nullptr;
}

std::optional<std::int64_t> checked_element_count(const Shape& shape) {
    return shape_fault(shape) ? std::nullopt : std::optional(element_count(shape));
}

float largest_magnitude(std::span<const float> values) {
    // Without their signs, bits compare as magnitudes do: one branch for all values, not one each.
    constexpr std::int32_t infinity = 0x7f800000;
    std::int32_t largest = 0;
    for (const float value : values) {
        largest = std::max(largest, std::bit_cast<std::int32_t>(value) & 0x7fffffff);
    }
    return std::bit_cast<float>(std::min(largest, infinity));
}

std::string to_string(const Shape& shape) {
    std::string text = "[";
    for (std::size_t axis = 0; axis < std::min(shape.size(), max_rank); ++axis) {
        text += (axis ? ", " : "") + std::to_string(shape[axis]);
    }
    return text + (shape.size() > max_rank ? ", ...]" : "]");
}

const char* to_string(Op op) {
    // In the order of the enumeration.
    static constexpr std::array names = {"Abs",
                                         "Add",
                                         "ArgMax",
                                         "AveragePool",
                                         "BatchNormalization",
                                         "Cast",
                                         "Ceil",
                                         "Celu",
                                         "Clip",
                                         "Concat",
                                         "Constant",
                                         "ConstantOfShape",
                                         "Conv",
                                         "ConvInteger",
                                         "ConvTranspose",
                                         "DepthToSpace",
                                         "DequantizeLinear",
                                         "Div",
                                         "Elu",
                                         "Equal",
                                         "Erf",
                                         "Exp",
                                         "Expand",
                                         "Flatten",
                                         "Floor",
                                         "Gather",
                                         "Gelu",
                                         "Gemm",
                                         "GlobalAveragePool",
                                         "GlobalMaxPool",
                                         "GroupNormalization",
                                         "HardSigmoid",
                                         "HardSwish",
                                         "Identity",
                                         "InstanceNormalization",
                                         "LayerNormalization",
                                         "LeakyRelu",
                                         "Log",
                                         "LogSoftmax",
                                         "LRN",
                                         "MatMul",
                                         "MatMulInteger",
                                         "Max",
                                         "MaxPool",
                                         "Mean",
                                         "Min",
                                         "Mish",
                                         "Mul",
                                         "Neg",
                                         "PRelu",
                                         "Pad",
                                         "Pow",
                                         "QLinearConv",
                                         "QLinearMatMul",
                                         "QuantizeLinear",
                                         "Range",
                                         "Reciprocal",
                                         "ReduceL2",
                                         "ReduceMax",
                                         "ReduceMean",
                                         "ReduceMin",
                                         "ReduceSum",
                                         "Relu",
                                         "Reshape",
                                         "Resize",
                                         "ScatterND",
                                         "Selu",
                                         "Shape",
                                         "Sigmoid",
                                         "Slice",
                                         "Softmax",
                                         "Softplus",
                                         "Softsign",
                                         "SpaceToDepth",
                                         "Split",
                                         "Sqrt",
                                         "Squeeze",
                                         "Sub",
                                         "Sum",
                                         "Swish",
                                         "Tanh",
                                         "ThresholdedRelu",
                                         "Tile",
                                         "Transpose",
                                         "Unsqueeze",
                                         "Where",
                                         "Activation",
                                         "Affine",
                                         "FakeQuantize",
                                         "FusedConv"};
    static_assert(names.size() == std::size_t(Op::fused_conv) + 1);
    return names[std::size_t(op)];
}

bool is_binary(Op op) {
    switch (op) {
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
        case Op::max:
        case Op::min:
        case Op::pow:
        case Op::p_relu:
            return true;
        default:
            return false;
    }
}

const char* to_string(ActivationKind kind) {
    // In the order of the enumeration.
    static constexpr std::array names = {
        "abs",        "elu",        "erf",  "exp",  "gelu",     "gelu_tanh",
        "hard_swish", "leaky_relu", "log",  "mish", "sigmoid",  "silu",
        "softplus",   "softsign",   "sqrt", "tanh", "threshold"};
    static_assert(names.size() == std::size_t(activation_count));
    return names[std::size_t(kind)];
}

ValueId Graph::add_value(Value value) {
    values.push_back(std::move(value));
    return ValueId(values.size()) - 1;
}

const Constant* Graph::constant(ValueId id) const {
    return id == no_value ? nullptr : values[std::size_t(id)].constant.get();
}

const Node* Graph::producer(ValueId id) const {
    if (id == no_value) {
        return nullptr;
    }
    for (const Node& node : nodes) {
        if (std::find(node.outputs.begin(), node.outputs.end(), id) != node.outputs.end()) {
            return &node;
        }
    }
    return nullptr;
}

Node* Graph::producer(ValueId id) { return const_cast<Node*>(std::as_const(*this).producer(id)); }

std::int64_t Graph::int_attribute(const Node& node, const std::string& name,
                                  std::int64_t fallback) const {
    return attribute_or(node, name, fallback);
}

float Graph::float_attribute(const Node& node, const std::string& name, float fallback) const {
    return attribute_or(node, name, fallback);
}

std::string Graph::string_attribute(const Node& node, const std::string& name,
                                    const std::string& fallback) const {
    return attribute_or(node, name, fallback);
}

std::vector<std::int64_t> Graph::ints_attribute(const Node& node, const std::string& name,
                                                const std::vector<std::int64_t>& fallback) const {
    return attribute_or(node, name, fallback);
}

Status error_at(const Graph& graph, const Node& node, std::string what, std::string remedy) {
    return Status(Problem{graph.file, node.label(), std::move(what), std::move(remedy)});
}

void remove_dead_nodes(Graph& graph) {
    std::vector<bool> is_read(graph.values.size(), false);
    for (ValueId id : graph.outputs) {
        is_read[std::size_t(id)] = true;
    }
    // Readers come after writers, so one walk from the back sees every reader first.
    std::vector<bool> is_live(graph.nodes.size(), false);
    for (std::size_t i = graph.nodes.size(); i-- > 0;) {
        const Node& node = graph.nodes[i];
        is_live[i] = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
            return id != no_value && is_read[std::size_t(id)];
        });
        for (ValueId id : node.inputs) {
            if (is_live[i] && id != no_value) {
                is_read[std::size_t(id)] = true;
            }
        }
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        if (is_live[i]) {
            if (kept < i) {
                graph.nodes[kept] = std::move(graph.nodes[i]);
            }
            ++kept;
        }
    }
    graph.nodes.erase(graph.nodes.begin() + std::ptrdiff_t(kept), graph.nodes.end());
}

}  // namespace sluice
