#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

/// Whether a quantised convolution can add what it reads as uint8, a rounding of its own before.
bool can_add_rounded(FusedConv conv, const std::optional<Quantization>& residual) {
    return !conv.is_quantised() ||
           (residual && (!conv.output_rounding || move_rounding_inside(conv, false)));
}

bool can_take_residual(const Links& links, const Grids& grids, ValueId conv, ValueId residual) {
    const Node* node = links.producer(conv);
    return node != nullptr && node->op == Op::fused_conv && links.consumer_count(conv) == 1 &&
           node->fused_conv->post.is_none() && node->inputs[2] == no_value &&
           can_add_rounded(*node->fused_conv, grids[std::size_t(residual)]) &&
           links.graph().constant(residual) == nullptr &&
           shape_of(links.graph(), conv) == shape_of(links.graph(), residual);
}

/// Whether the convolution that writes `a` is the better place of the sum than that of `b`: a
/// gated one, else the later one.
bool is_better(const Links& links, ValueId a, ValueId b) {
    const Node* first = links.producer(a);
    const Node* second = links.producer(b);
    const bool first_gated = first->inputs[1] != no_value;
    const bool second_gated = second->inputs[1] != no_value;
    return first_gated != second_gated ? first_gated : first > second;
}

}  // namespace

Status fuse_residual(Graph& graph) {
    Links links(graph);
    const Grids grids = grids_of(graph);
    for (Node& node : graph.nodes) {
        if (node.op != Op::add) {
            continue;
        }
        const ValueId a = node.inputs[0], b = node.inputs[1];
        const bool to_a = can_take_residual(links, grids, a, b);
        const bool to_b = can_take_residual(links, grids, b, a);
        if (!to_a && !to_b) {
            continue;
        }
        const bool first = to_a && (!to_b || is_better(links, a, b));
        Node& conv = *links.producer(first ? a : b);
        if (conv.fused_conv->output_rounding) {
            move_rounding_inside(*conv.fused_conv, false);
        }
        links.set_input(conv, 2, first ? b : a);
        links.move_into(conv, node);
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
