#include "plan/alternatives.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace sluice {
namespace {

struct WayKernel {
    WayId way;
    Algorithm algorithm;
};
constexpr WayKernel way_kernels[] = {{WayId::direct, Algorithm::gated_conv},
                                     {WayId::depthwise, Algorithm::depthwise_conv},
                                     {WayId::linear, Algorithm::linear},
                                     {WayId::winograd, Algorithm::winograd_conv},
                                     {WayId::pairs, Algorithm::sparse_conv},
                                     {WayId::per_element, Algorithm::dot_conv},
                                     {WayId::int8, Algorithm::int8_conv},
                                     {WayId::int8, Algorithm::int8_staged_conv},
                                     {WayId::int8, Algorithm::int8_float_conv},
                                     {WayId::int8_depthwise, Algorithm::int8_depthwise},
                                     {WayId::int8_depthwise, Algorithm::int8_staged_depthwise},
                                     {WayId::int8_depthwise, Algorithm::int8_float_depthwise}};
constexpr WayId all_ways[] = {WayId::direct,   WayId::depthwise,     WayId::linear,
                              WayId::winograd, WayId::pairs,         WayId::per_element,
                              WayId::int8,     WayId::int8_depthwise};

std::optional<WayId> way_of(Algorithm algorithm) {
    const auto* found =
        std::find_if(std::begin(way_kernels), std::end(way_kernels),
                     [algorithm](const WayKernel& of) { return of.algorithm == algorithm; });
    return found != std::end(way_kernels) ? std::optional(found->way) : std::nullopt;
}

bool computes_layers(Algorithm algorithm) {
    return way_of(algorithm) || algorithm == Algorithm::branch ||
           algorithm == Algorithm::int8_branch;
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
        for (std::size_t i = 0; i < copy.inputs.size(); ++i) {
            if (copy.inputs[i] != no_value) {
                copy.inputs[i] = value_of(copy.inputs[i], node, i);
            }
        }
        copy.outputs = {add_value(node.outputs[0])};
        graph_.nodes.push_back(std::move(copy));
    }

    std::vector<std::string> take_gated() { return std::move(gated_); }
    Graph finish() && {
        graph_.outputs = {graph_.nodes.back().outputs[0]};
        return std::move(graph_);
    }

private:
    ValueId add_value(ValueId id) {
        Value value = from_.values[std::size_t(id)];
        if (!value.constant && !value.shape.empty()) {
            value.shape[0] = 1;
        }
        return ids_[id] = graph_.add_value(std::move(value));
    }

    /// As the layer would find it in the network: what another node computes has lanes beside its
    /// channels, which an input of the graph has where a node besides convolutions reads it.
    ValueId value_of(ValueId id, const Node& reader, std::size_t input) {
        if (const auto found = ids_.find(id); found != ids_.end()) {
            return found->second;
        }
        const ValueId added = add_value(id);
        if (from_.constant(id) != nullptr) {
            return added;
        }
        const bool is_gate = reader.op == Op::fused_conv && input == 1;
        graph_.inputs.push_back(added);
        gated_.push_back(is_gate ? reader.name : "");
        // A per-element gate is read by the vector, as what is convolved.
        const bool is_map = is_gate && reader.fused_conv->gate != GateForm::element;
        if (from_.producer(id) == nullptr || is_map) {
            return added;
        }
        Node alias{};
        alias.op = Op::identity;
        alias.name = graph_.values[std::size_t(added)].name + " in place";
        alias.inputs = {added};
        alias.outputs = {graph_.add_value(graph_.values[std::size_t(added)])};
        const ValueId placed = alias.outputs[0];
        graph_.nodes.push_back(std::move(alias));
        return ids_[id] = placed;
    }

    const Graph& from_;
    Graph graph_;
    std::vector<std::string> gated_;  ///< Alternative::gated
    std::map<ValueId, ValueId> ids_;  ///< of the network's to the layer's
};

/// What spares a plan that would come to nothing.
bool may_take(const Graph& graph, const Node& node, WayId way) {
    const bool is_conv = node.op == Op::fused_conv;
    const bool is_of_bytes = way == WayId::int8 || way == WayId::int8_depthwise;
    const Node* before = graph.producer(node.inputs[0]);
    if (graph.values[std::size_t(node.inputs[0])].is_float() == is_of_bytes) {
        return false;
    }
    const GateForm gate = is_conv ? node.fused_conv->gate : GateForm::none;
    switch (way) {
        case WayId::pairs:
            return gate == GateForm::position && before != nullptr && before->op == Op::fused_conv;
        case WayId::per_element:
            return gate == GateForm::element || gate == GateForm::group;
        case WayId::depthwise:
        case WayId::int8_depthwise:
            return is_conv && node.fused_conv->groups > 1;
        case WayId::linear:
            return node.op == Op::gemm || (is_conv && gate == GateForm::none);
        case WayId::int8:
            return !is_conv || node.fused_conv->groups == 1;
        default:
            return is_conv;
    }
}

}  // namespace

int Alternative::calls() const {
    return int(std::count_if(plan->steps.begin(), plan->steps.end(), [this](const Step& other) {
        return other.kernel == call().kernel && other.node == call().node;
    }));
}

std::optional<Alternative> alternative(const Graph& graph, const Node& node, const Target& target,
                                       std::optional<WayId> way, std::span<const Kernel> kernels) {
    if (way && !may_take(graph, node, *way)) {
        return std::nullopt;
    }
    LayerGraph layer(graph);
    if (way == WayId::pairs) {
        layer.add(*graph.producer(node.inputs[0]));
    }
    layer.add(node);
    std::vector<std::string> gated = layer.take_gated();
    const auto plan =
        make_plan(std::move(layer).finish(), target, {.only = way, .kernels = kernels});
    if (!plan.ok()) {
        return std::nullopt;
    }
    const std::vector<Step>& steps = plan.value()->steps;
    const auto last = std::find_if(steps.rbegin(), steps.rend(), [&](const Step& step) {
        return step.node == node.name && computes_layers(step.kernel->algorithm);
    });
    if (last == steps.rend()) {
        return std::nullopt;
    }
    const auto found = way_of(last->kernel->algorithm);
    if (way && found != way) {
        return std::nullopt;
    }
    return Alternative{found, plan.value(), std::move(gated), std::size_t(steps.rend() - last) - 1};
}

std::vector<Alternative> alternatives(const Graph& graph, const Node& node, const Target& target,
                                      std::span<const Kernel> kernels) {
    std::vector<Alternative> found;
    if (node.op != Op::fused_conv && node.op != Op::gemm) {
        return found;
    }
    for (const WayId way : all_ways) {
        if (auto one = alternative(graph, node, target, way, kernels)) {
            found.push_back(std::move(*one));
        }
    }
    if (auto only = found.empty() ? alternative(graph, node, target, {}, kernels) : std::nullopt) {
        found.push_back(std::move(*only));
    }
    return found;
}

}  // namespace sluice
