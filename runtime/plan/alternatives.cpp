#include "plan/alternatives.h"

#include <map>

namespace sluice {
namespace {

Algorithm algorithm_of(WayId way) {
    switch (way) {
        case WayId::direct:
            return Algorithm::gated_conv;
        case WayId::winograd:
            return Algorithm::winograd_conv;
        case WayId::pairs:
            return Algorithm::sparse_conv;
        case WayId::per_element:
            return Algorithm::dot_conv;
    }
    return Algorithm::gated_conv;
}

/// Builds the graph of a layer from the network's.
class LayerGraph {
public:
    explicit LayerGraph(const Graph& from) : from_(from) {
        graph_.file = from.file;
        graph_.batch = 1;
        graph_.opset = from.opset;
    }

    /// Adds the layer; its inputs become the graph's unless they are there already.
    void add(const Node& node) {
        Node copy = node;
        for (ValueId& id : copy.inputs) {
            id = id == no_value ? no_value : value_of(id);
        }
        copy.outputs = {add_value(node.outputs[0])};
        graph_.nodes.push_back(std::move(copy));
    }

    Graph finish() && {
        graph_.outputs = {graph_.nodes.back().outputs[0]};
        return std::move(graph_);
    }

private:
    ValueId add_value(ValueId id) {
        Value value = from_.values[std::size_t(id)];
        value.shape[0] = 1;
        return ids_[id] = graph_.add_value(std::move(value));
    }

    /// As the layer would find it in the network: what another node computes has lanes beside its
    /// channels, which an input of the graph has where a node besides convolutions reads it.
    ValueId value_of(ValueId id) {
        if (const auto found = ids_.find(id); found != ids_.end()) {
            return found->second;
        }
        const ValueId input = add_value(id);
        graph_.inputs.push_back(input);
        if (from_.producer(id) == nullptr) {
            return input;
        }
        Node alias{};
        alias.op = Op::identity;
        alias.name = graph_.values[std::size_t(input)].name + " in place";
        alias.inputs = {input};
        alias.outputs = {graph_.add_value(graph_.values[std::size_t(input)])};
        const ValueId placed = alias.outputs[0];
        graph_.nodes.push_back(std::move(alias));
        return ids_[id] = placed;
    }

    const Graph& from_;
    Graph graph_;
    std::map<ValueId, ValueId> ids_;  ///< of the network's to the layer's
};

}  // namespace

std::optional<Alternative> alternative(const Graph& graph, const Node& node, const Target& target,
                                       WayId way, std::span<const Kernel> kernels) {
    if (node.op != Op::fused_conv) {
        return std::nullopt;
    }
    LayerGraph layer(graph);
    const Node* before = graph.producer(node.inputs[0]);
    if (way == WayId::pairs && before != nullptr && before->op == Op::fused_conv) {
        layer.add(*before);
    }
    layer.add(node);
    const auto plan =
        make_plan(std::move(layer).finish(), target, {.only = way, .kernels = kernels});
    if (!plan.ok()) {
        return std::nullopt;
    }
    const std::vector<Step>& steps = plan.value()->steps;
    for (std::size_t i = steps.size(); i-- > 0;) {
        if (steps[i].kernel->algorithm == algorithm_of(way) && steps[i].node == node.name) {
            return Alternative{way, plan.value(), i};
        }
    }
    return std::nullopt;
}

std::vector<Alternative> alternatives(const Graph& graph, const Node& node, const Target& target,
                                      std::span<const Kernel> kernels) {
    std::vector<Alternative> found;
    for (const WayId way : {WayId::direct, WayId::winograd, WayId::pairs, WayId::per_element}) {
        if (auto one = alternative(graph, node, target, way, kernels)) {
            found.push_back(std::move(*one));
        }
    }
    return found;
}

}  // namespace sluice
