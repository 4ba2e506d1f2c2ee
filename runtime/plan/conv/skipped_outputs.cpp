#include "plan/conv/skipped_outputs.h"

#include <algorithm>

#include "plan/conv/gate_map.h"

namespace sluice {
namespace {

/// Whether each output reads the input at its own position alone.
bool is_pointwise(const FusedConv& conv) {
    const Shape& weights = conv.weights->shape;
    const auto is_one = [](std::int64_t extent) { return extent == 1; };
    return std::all_of(weights.begin() + 2, weights.end(), is_one) &&
           std::all_of(conv.stride, conv.stride + 2, is_one) &&
           std::all_of(conv.pads, conv.pads + 4, [](std::int64_t pad) { return pad == 0; });
}

}  // namespace

bool computes_all(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const bool gives_floats = planner.graph.values[std::size_t(node.outputs[0])].is_float();
    return conv.is_quantised() && (gives_floats || conv.groups > 1);
}

bool are_skipped_outputs_read(const Planner& planner, const Convolution& c) {
    const ValueId output = c.node.outputs[0], gate = c.node.inputs[1];
    const bool is_shared = c.conv.gate == GateForm::position && !planner.readers.is_output(output);
    const bool is_whole = is_shared && is_for_whole_map(planner, c);
    return !is_shared || !planner.readers.every(output, [&](const Node& node, std::size_t input) {
        return node.op == Op::fused_conv && input == 0 && node.inputs[1] == gate &&
               node.fused_conv->gate == GateForm::position && !computes_all(planner, node) &&
               (is_whole ||
                (is_pointwise(*node.fused_conv) && node.fused_conv->gate_grid == c.conv.gate_grid));
    });
}

}  // namespace sluice
