#include "passes/fold_constants.h"

#include <algorithm>
#include <utility>

#include "graph/shapes.h"
#include "passes/evaluate_constant.h"
#include "passes/fix_mixed_batch.h"

namespace sluice {

namespace {

bool is_known(const Graph& graph, const Node& node) {
    if (node.op == Op::shape) {  // needs the shape of its input, not the input
        return true;
    }
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId id) { return id == no_value || graph.constant(id) != nullptr; });
}

Status fold_node(Graph& graph, const Node& node) {
    Result<Constant> constant = evaluate_constant(graph, node);
    if (!constant.ok()) {
        return constant.status();
    }
    graph.values[std::size_t(node.outputs[0])].constant =
        std::make_shared<const Constant>(std::move(constant).value());
    return {};
}

Status check_outputs(const Graph& graph) {
    for (ValueId id : graph.outputs) {
        if (graph.constant(id)) {
            return Status::error("output '" + graph.values[std::size_t(id)].name +
                                     "' does not depend on the input",
                                 "export the whole network")
                .in_file(graph.file);
        }
    }
    return {};
}

}  // namespace

Status fold_constants(Graph& graph) {
    Graph unfolded = graph.batch_is_symbolic ? graph : Graph();
    std::vector<Node> kept;
    for (Node& node : graph.nodes) {
        SLUICE_RETURN_IF_ERROR(infer_shape(graph, node));
        if (is_known(graph, node)) {
            SLUICE_RETURN_IF_ERROR(fold_node(graph, node));
        } else if (!graph.values[std::size_t(node.outputs[0])].is_float) {
            return error_at(graph, node, "computes integers from the picture",
                            "export a network whose activations are float");
        } else {
            kept.push_back(std::move(node));
        }
    }
    graph.nodes = std::move(kept);
    remove_dead_nodes(graph);
    SLUICE_RETURN_IF_ERROR(check_outputs(graph));
    if (graph.batch_is_symbolic) {
        fix_mixed_batch(graph, std::move(unfolded));
    }
    return {};
}

}  // namespace sluice
