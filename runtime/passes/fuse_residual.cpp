#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

bool can_take_residual(Graph& graph, ValueId conv, ValueId residual) {
    const Node* node = sole_fused_conv(graph, conv);
    return node != nullptr && node->fused_conv->post.is_none() && node->inputs[2] == no_value &&
           shape_of(graph, conv) == shape_of(graph, residual);
}

/// Whether the convolution that writes `a` is the better place of the sum than that of `b`: a
/// gated one, else the later one.
bool is_better(const Graph& graph, ValueId a, ValueId b) {
    const Node* first = graph.producer(a);
    const Node* second = graph.producer(b);
    const bool first_gated = first->inputs[1] != no_value;
    const bool second_gated = second->inputs[1] != no_value;
    return first_gated != second_gated ? first_gated : first > second;
}

}  // namespace

Status fuse_residual(Graph& graph) {
    for (std::size_t i = 0; i < graph.nodes.size();) {
        const Node& node = graph.nodes[i];
        if (node.op != Op::add) {
            ++i;
            continue;
        }
        const ValueId a = node.inputs[0], b = node.inputs[1];
        const bool to_a = can_take_residual(graph, a, b), to_b = can_take_residual(graph, b, a);
        if (!to_a && !to_b) {
            ++i;
            continue;
        }
        const bool first = to_a && (!to_b || is_better(graph, a, b));
        Node* conv = graph.producer(first ? a : b);
        conv->inputs[2] = first ? b : a;
        move_into(graph, index_of(graph, conv), i);  // the node now at i follows the sum
    }
    return {};
}

}  // namespace sluice
