#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {

Status mark_branches(Graph& graph) {
    std::vector<bool> feeds_result(graph.values.size(), false);
    for (const ValueId id : graph.outputs) {
        feeds_result[std::size_t(id)] = true;
    }
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        const bool matters = feeds_result[std::size_t(node->outputs[0])];
        for (std::size_t i = 0; i < node->inputs.size(); ++i) {
            const bool is_gate = node->op == Op::fused_conv && i == 1;
            if (matters && !is_gate && node->inputs[i] != no_value) {
                feeds_result[std::size_t(node->inputs[i])] = true;
            }
        }
        if (node->op == Op::fused_conv) {
            node->fused_conv->is_branch = !matters;
        }
    }
    return {};
}

}  // namespace sluice
