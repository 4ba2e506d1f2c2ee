#include "passes/passes.h"

namespace sluice {

Status optimise(Graph& graph) {
    for (const Node& node : graph.nodes) {
        for (const ValueId id : node.outputs) {
            if (!graph.values[std::size_t(id)].shape_known) {
                return error_at(graph, node, "its shape is not known",
                                "fold constants before optimising");
            }
        }
    }
    for (const auto pass : {canonicalise, lower_linear, lower_affine, lower_conv, fold_padding,
                            fold_affine, fuse_gate, fold_affine, fuse_residual, fold_affine,
                            mark_branches}) {
        SLUICE_RETURN_IF_ERROR(pass(graph));
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
