#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"

namespace sluice {
namespace {

bool can_take_activation(const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    return !conv.is_quantised() && !conv.is_transposed() && conv.gate == GateForm::none &&
           !conv.output_rounding && !conv.activation;
}

/// Those that kernels of convolutions compute.
bool is_taken(ActivationKind kind) {
    return kind == ActivationKind::silu || kind == ActivationKind::hard_swish;
}

}  // namespace

Status fuse_activation(Graph& graph) {
    Links links(graph);
    for (Node& node : graph.nodes) {
        if (node.op != Op::activation || !is_taken(node.activation->kind)) {
            continue;
        }
        Node* conv = links.producer(node.inputs[0]);
        if (conv != nullptr && conv->op == Op::fused_conv && can_take_activation(*conv) &&
            links.sole_reader(node.inputs[0]) == &node) {
            conv->fused_conv->activation = node.activation;
            links.absorb(*conv, node);
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
