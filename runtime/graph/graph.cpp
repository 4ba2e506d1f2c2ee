#include "graph/graph.h"

#include <algorithm>
#include <array>
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

std::optional<std::int64_t> checked_element_count(const Shape& shape) {
    constexpr std::int64_t most = std::int64_t(1) << 31;
    std::int64_t count = 1;
    for (std::int64_t extent : shape) {
        if (extent < 0 || (extent > 0 && count > most / extent)) {
            return std::nullopt;
        }
        count *= extent;
    }
    return count;
}

std::string to_string(const Shape& shape) {
    std::string text = "[";
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        text += (axis ? ", " : "") + std::to_string(shape[axis]);
    }
    return text + "]";
}

const char* to_string(Op op) {
    // In the order of the enumeration.
    static constexpr std::array names = {"Add",
                                         "AveragePool",
                                         "BatchNormalization",
                                         "Cast",
                                         "Clip",
                                         "Concat",
                                         "Constant",
                                         "ConstantOfShape",
                                         "Conv",
                                         "Div",
                                         "Equal",
                                         "Expand",
                                         "Flatten",
                                         "Gather",
                                         "Gemm",
                                         "GlobalAveragePool",
                                         "HardSigmoid",
                                         "Identity",
                                         "MatMul",
                                         "MaxPool",
                                         "Mul",
                                         "Pad",
                                         "Range",
                                         "ReduceMean",
                                         "Relu",
                                         "Reshape",
                                         "Resize",
                                         "Shape",
                                         "Slice",
                                         "Softmax",
                                         "Squeeze",
                                         "Sub",
                                         "Transpose",
                                         "Unsqueeze",
                                         "Where",
                                         "Affine",
                                         "FusedConv"};
    static_assert(names.size() == std::size_t(Op::fused_conv) + 1);
    return names[std::size_t(op)];
}

ValueId Graph::add_value(Value value) {
    values.push_back(std::move(value));
    return ValueId(values.size()) - 1;
}

const Constant* Graph::constant(ValueId id) const {
    return id == no_value ? nullptr : values[std::size_t(id)].constant.get();
}

int Graph::consumer_count(ValueId id) const {
    std::ptrdiff_t count = std::count(outputs.begin(), outputs.end(), id);
    for (const Node& node : nodes) {
        count += std::count(node.inputs.begin(), node.inputs.end(), id);
    }
    return int(count);
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

void replace_uses(Graph& graph, ValueId from, ValueId to) {
    for (Node& node : graph.nodes) {
        std::replace(node.inputs.begin(), node.inputs.end(), from, to);
    }
    std::replace(graph.outputs.begin(), graph.outputs.end(), from, to);
}

void remove_dead_nodes(Graph& graph) {
    std::vector<bool> is_read(graph.values.size(), false);
    for (ValueId id : graph.outputs) {
        is_read[std::size_t(id)] = true;
    }
    // Readers come after writers, so one walk from the back sees every reader first.
    std::vector<Node> kept;
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        const bool is_live =
            std::any_of(node->outputs.begin(), node->outputs.end(),
                        [&](ValueId id) { return id != no_value && is_read[std::size_t(id)]; });
        if (!is_live) {
            continue;
        }
        for (ValueId id : node->inputs) {
            if (id != no_value) {
                is_read[std::size_t(id)] = true;
            }
        }
        kept.push_back(std::move(*node));
    }
    std::reverse(kept.begin(), kept.end());
    graph.nodes = std::move(kept);
}

}  // namespace sluice
