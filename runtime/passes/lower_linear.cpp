#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// The index of the Add of a constant [O] or [1, O] that alone reads the product; else -1.
std::ptrdiff_t bias_after(const Graph& graph, const Node& product, ValueId& bias) {
    const ValueId y = product.outputs[0];
    const std::int64_t outputs = shape_of(graph, y)[1];
    for (std::size_t i = 0; i < graph.nodes.size() && graph.consumer_count(y) == 1; ++i) {
        const Node& node = graph.nodes[i];
        if (node.op != Op::add || (node.inputs[0] != y && node.inputs[1] != y)) {
            continue;
        }
        bias = node.inputs[node.inputs[0] == y ? 1 : 0];
        const Constant* constant = graph.constant(bias);
        const bool fits = constant != nullptr && (constant->shape == Shape{outputs} ||
                                                  constant->shape == Shape{1, outputs});
        return fits ? std::ptrdiff_t(i) : -1;
    }
    return -1;
}

}  // namespace

Status lower_linear(Graph& graph) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        Node& node = graph.nodes[i];
        if (node.op != Op::mat_mul || graph.constant(node.inputs[1]) == nullptr ||
            shape_of(graph, node.inputs[0]).size() != 2 ||
            shape_of(graph, node.inputs[1]).size() != 2) {
            continue;
        }
        node.op = Op::gemm;
        ValueId bias = no_value;
        if (const std::ptrdiff_t sum = bias_after(graph, node, bias); sum >= 0) {
            node.inputs.push_back(bias);
            node.outputs = graph.nodes[std::size_t(sum)].outputs;
            graph.nodes.erase(graph.nodes.begin() + sum);
        }
    }
    return {};
}

}  // namespace sluice
