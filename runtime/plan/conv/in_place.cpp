#include "plan/conv/in_place.h"

#include "graph/clamps.h"
#include "plan/conv/int8_numbers.h"
#include "plan/conv/int8_weights.h"

namespace sluice {
namespace {

/// Bounds of the floats that a node gives, as far as its last clamp shows them.
Clamp range_of(const Graph& graph, ValueId id) {
    const Node* node = graph.producer(id);
    while (node != nullptr && node->op == Op::max_pool) {
        node = graph.producer(node->inputs[0]);
    }
    if (node == nullptr) {
        return {};
    }
    if (node->affine) {
        return node->affine->clamp;
    }
    return node->op == Op::fused_conv ? last_clamp(*node) : Clamp{};
}

/// Whether the layer's last clamp changes no value that the residual may hold.
bool keeps_residual(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    if (!conv.is_quantised()) {
        const Clamp range = range_of(planner.graph, node.inputs[2]);
        return range.low >= conv.post.low && range.high <= conv.post.high;
    }
    const Quantizations of = quantizations(planner.graph, node);
    if (!of.output || !of.residual || *of.output != *of.residual) {
        return false;
    }
    const Int8Numbers numbers = int8_numbers(conv, of);
    const OutputRange range = output_range(*of.output);
    return numbers.low <= range.low && numbers.high >= range.high;
}

}  // namespace

std::optional<Layout> place_in_residual(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const ValueId residual = node.inputs[2];
    if (conv.gate != GateForm::position || residual == no_value || !all_equal(conv.shift, 0) ||
        !keeps_residual(planner, node)) {
        return std::nullopt;
    }
    const Layout& place = planner.layout(residual);
    const auto lies_there = [&](ValueId id) {
        const Layout& layout = planner.layout(id);
        return layout.memory == place.memory && layout.index == place.index;
    };
    // Outputs read their neighbours' inputs.
    if (lies_there(node.inputs[0]) || lies_there(node.inputs[1])) {
        return std::nullopt;
    }
    return planner.layouts.reuse(node, residual);
}

}  // namespace sluice
