#include "passes/edit.h"
#include "passes/int8_weights.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

/// [O] of a bias [O], [1, O] or of one number for all; none where it is none of these.
std::optional<std::vector<float>> bias_of(const Graph& graph, const Node& node,
                                          std::int64_t outputs) {
    const auto count = std::size_t(outputs);
    if (node.inputs.size() < 3 || node.inputs[2] == no_value) {
        return std::vector<float>(count);
    }
    const Constant* constant = graph.constant(node.inputs[2]);
    if (constant == nullptr || !constant->is_float()) {
        return std::nullopt;
    }
    const auto& floats = constant->floats();
    if (floats.size() == 1) {
        return std::vector<float>(count, floats[0]);
    }
    const bool is_row = !constant->shape.empty() && constant->shape.back() == outputs;
    return floats.size() == count && is_row
               ? std::optional(std::vector<float>(floats.begin(), floats.end()))
               : std::nullopt;
}

/// Weights [O, I, 1, 1] of [O, I], or of [I, O].
std::shared_ptr<const Constant> as_conv_weights(const Constant& weights, bool is_turned) {
    if (is_turned) {
        return std::make_shared<const Constant>(
            Constant{{weights.shape[0], weights.shape[1], 1, 1}, weights.int8s()});
    }
    const std::int64_t inputs = weights.shape[0], outputs = weights.shape[1];
    std::vector<std::int8_t> turned;
    turned.reserve(weights.int8s().size());
    for (std::int64_t o = 0; o < outputs; ++o) {
        for (std::int64_t i = 0; i < inputs; ++i) {
            turned.push_back(weights.int8s()[std::size_t(i * outputs + o)]);
        }
    }
    return std::make_shared<const Constant>(Constant{{outputs, inputs, 1, 1}, std::move(turned)});
}

Status quantise(Graph& graph, Node& node, const Node& dequantize,
                const std::optional<Quantization>& input) {
    auto bias = bias_of(graph, node, shape_of(graph, node.outputs[0])[1]);
    const bool is_plain = bias && graph.int_attribute(node, "transA", 0) == 0 &&
                          graph.float_attribute(node, "alpha", 1) == 1 &&
                          graph.float_attribute(node, "beta", 1) == 1;
    if (!is_plain) {
        node.remark = "runs in float: it is more than a product and a bias";
        return dequantize_weights(graph, dequantize);
    }
    const bool is_turned = graph.int_attribute(node, "transB", 0) != 0;
    auto weights = int8_weights(graph, dequantize, input, *bias, is_turned ? 0 : 1);
    if (!weights.ok()) {
        return weights.status();
    }
    if (weights->scale.empty()) {
        node.remark = std::move(weights->remark);
        graph.values[std::size_t(node.inputs[1])].constant = std::move(weights->constant);
        return {};
    }
    FusedConv layer;
    layer.weights = as_conv_weights(*weights->constant, is_turned);
    layer.weight_scale = std::move(weights->scale);
    layer.scale.assign(bias->size(), 1);
    layer.shift.assign(bias->size(), 0);
    layer.bias = std::move(*bias);
    node.fused_conv = std::move(layer);
    node.inputs.resize(1);
    node.attributes.clear();
    return {};
}

}  // namespace

Status make_int8_gemm(Graph& graph) {
    const auto dequantizers = weight_dequantizers(graph);
    const Grids grids = grids_of(graph);
    for (Node& node : graph.nodes) {
        if (node.op != Op::gemm) {
            continue;
        }
        const auto& input = grids[std::size_t(node.inputs[0])];
        const Node* dequantize = dequantizers[std::size_t(node.inputs[1])];
        if (dequantize != nullptr) {
            SLUICE_RETURN_IF_ERROR(quantise(graph, node, *dequantize, input));
        } else if (input) {
            node.remark = "runs in float: its weights are not quantised";
        }
    }
    // What no layer has taken as bytes becomes floats.
    remove_dead_nodes(graph);
    for (const Node& node : graph.nodes) {
        const bool gives_weights =
            node.op == Op::dequantize_linear && graph.constant(node.inputs[0]) != nullptr;
        if (gives_weights && graph.constant(node.outputs[0]) == nullptr) {
            SLUICE_RETURN_IF_ERROR(dequantize_weights(graph, node));
        }
    }
    std::erase_if(graph.nodes,
                  [&](const Node& node) { return graph.constant(node.outputs[0]) != nullptr; });
    return {};
}

}  // namespace sluice
