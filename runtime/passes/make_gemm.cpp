#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

/// The Add of a constant [O] or [1, O] that alone reads the product, and that constant; else null.
Node* bias_after(const Links& links, const Node& product, ValueId& bias) {
    const ValueId y = product.outputs[0];
    Node* sum = links.sole_reader(y);
    if (sum == nullptr || sum->op != Op::add) {
        return nullptr;
    }
    bias = sum->inputs[sum->inputs[0] == y ? 1 : 0];
    const std::int64_t outputs = shape_of(links.graph(), y)[1];
    const Constant* constant = links.graph().constant(bias);
    const bool fits = constant != nullptr &&
                      (constant->shape == Shape{outputs} || constant->shape == Shape{1, outputs});
    return fits ? sum : nullptr;
}

}  // namespace

Status make_gemm(Graph& graph) {
    Links links(graph);
    const auto dequantizers = weight_dequantizers(graph);
    for (Node& node : graph.nodes) {
        if (node.op != Op::mat_mul ||
            (graph.constant(node.inputs[1]) == nullptr &&
             dequantizers[std::size_t(node.inputs[1])] == nullptr) ||
            shape_of(graph, node.inputs[0]).size() != 2 ||
            shape_of(graph, node.inputs[1]).size() != 2) {
            continue;
        }
        node.op = Op::gemm;
        ValueId bias = no_value;
        if (Node* sum = bias_after(links, node, bias)) {
            links.absorb(node, *sum);
            links.add_input(node, bias);
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
