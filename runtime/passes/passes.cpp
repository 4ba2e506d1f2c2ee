#include "passes/passes.h"

#include <vector>

namespace sluice {
namespace {

/// What make_fused_conv has rewritten would otherwise keep its original weights in memory, beside
/// those that fold_affine scales.
Status drop_unread_constants(Graph& graph) {
    std::vector<bool> is_read(graph.values.size(), false);
    for (const Node& node : graph.nodes) {
        for (const ValueId id : node.inputs) {
            if (id != no_value) {
                is_read[std::size_t(id)] = true;
            }
        }
    }
    for (const ValueId id : graph.outputs) {
        is_read[std::size_t(id)] = true;
    }
    for (std::size_t id = 0; id < graph.values.size(); ++id) {
        if (!is_read[id]) {
            graph.values[id].constant.reset();
        }
    }
    return {};
}

}  // namespace

Status optimise(Graph& graph, bool int8) {
    for (const Node& node : graph.nodes) {
        for (const ValueId id : node.outputs) {
            if (!graph.values[std::size_t(id)].shape_known) {
                return error_at(graph, node, "its shape is not known",
                                "fold constants before optimising");
            }
        }
    }
    for (const auto pass :
         {lower_q_linear,        lift_one_dimension, make_fake_quantize,  drop_roundings,
          expand_operators,      expand_scatter,     canonicalise,        make_gemm,
          make_affine,           make_activation,    make_pointwise_conv, make_affine,
          order_roundings,       make_fused_conv,    make_int8_gemm,      make_transposed_conv,
          drop_unread_constants, fold_padding,       fold_affine,         fuse_gate,
          fold_gate_grid,        fold_affine,        fuse_residual,       fold_affine,
          fuse_activation,       mark_branches,      quantise_values}) {
        if (pass != drop_roundings || !int8) {
            SLUICE_RETURN_IF_ERROR(pass(graph));
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
