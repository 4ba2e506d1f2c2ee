#include "passes/edit.h"
#include "passes/int8_weights.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

/// Whether a kernel may compute a Conv, whose weights `dequantize` gives unless it is null.
bool is_supported(const Graph& graph, const Node& node, const Node* dequantize) {
    const auto is_float = [&graph](ValueId id) {
        const Constant* constant = graph.constant(id);
        return constant != nullptr && constant->is_float();
    };
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
    return (dequantize != nullptr || is_float(node.inputs[1])) &&
           (!has_bias || is_float(node.inputs[2])) && shape_of(graph, node.inputs[1]).size() == 4;
}

/// Whether an int8 kernel takes the layer's window: of depthwise layers any, else one without
/// groups and dilation.
bool has_int8_window(const Graph& graph, const Node& node) {
    if (graph.int_attribute(node, "group", 1) > 1) {
        return shape_of(graph, node.inputs[1])[1] == 1;
    }
    return graph.ints_attribute(node, "dilations", {1, 1}) == Shape{1, 1};
}

/// Pads of ONNX's auto_pad SAME_UPPER and SAME_LOWER, which put the odd one last or first.
void set_same_pads(FusedConv& conv, const Shape& x, const Shape& y, bool upper) {
    for (std::size_t a = 0; a < 2; ++a) {
        const std::int64_t window = conv.dilation[a] * (conv.weights->shape[a + 2] - 1) + 1;
        const std::int64_t reach = (y[a + 2] - 1) * conv.stride[a] + window - x[a + 2];
        const std::int64_t total = std::max(reach, std::int64_t{0});
        conv.pads[a] = upper ? total / 2 : total - total / 2;
        conv.pads[a + 2] = total - conv.pads[a];
    }
}

std::vector<float> bias_of(const Graph& graph, const Node& node) {
    if (node.inputs.size() < 3 || node.inputs[2] == no_value) {
        return std::vector<float>(std::size_t(shape_of(graph, node.inputs[1])[0]));
    }
    const Floats& bias = graph.constant(node.inputs[2])->floats();
    return {bias.begin(), bias.end()};
}

/// `conv` has its weights and bias.
void set_window(const Graph& graph, const Node& node, FusedConv& conv) {
    conv.scale.assign(conv.bias.size(), 1);
    conv.shift.assign(conv.bias.size(), 0);
    const Shape stride = graph.ints_attribute(node, "strides", {1, 1});
    std::copy_n(stride.begin(), 2, conv.stride);
    const Shape dilation = graph.ints_attribute(node, "dilations", {1, 1});
    for (std::size_t a = 0; a < 2; ++a) {
        conv.dilation[a] = conv.weights->shape[a + 2] == 1 ? 1 : dilation[a];
    }
    conv.groups = graph.int_attribute(node, "group", 1);
    const std::string automatic = graph.string_attribute(node, "auto_pad", "NOTSET");
    if (automatic == "NOTSET") {
        const Shape pads = graph.ints_attribute(node, "pads", {0, 0, 0, 0});
        std::copy_n(pads.begin(), 4, conv.pads);
    } else if (automatic != "VALID") {
        set_same_pads(conv, shape_of(graph, node.inputs[0]), shape_of(graph, node.outputs[0]),
                      automatic == "SAME_UPPER");
    }
}

}  // namespace

Status make_fused_conv(Graph& graph) {
    const auto dequantizers = weight_dequantizers(graph);
    const Grids grids = grids_of(graph);
    for (Node& node : graph.nodes) {
        const Node* dequantize =
            node.op == Op::conv ? dequantizers[std::size_t(node.inputs[1])] : nullptr;
        if (node.op != Op::conv || !is_supported(graph, node, dequantize)) {
            continue;
        }
        const auto& grid = grids[std::size_t(node.inputs[0])];
        FusedConv conv;
        conv.bias = bias_of(graph, node);
        if (dequantize == nullptr) {
            conv.weights = graph.values[std::size_t(node.inputs[1])].constant;
            node.remark = grid ? "runs in float: its weights are not quantised" : "";
        } else {
            auto weights = has_int8_window(graph, node)
                               ? int8_weights(graph, *dequantize, grid, conv.bias, 0)
                               : float_weights(graph, *dequantize,
                                               "it has groups of several channels, or dilation");
            if (!weights.ok()) {
                return weights.status();
            }
            conv.weights = std::move(weights->constant);
            conv.weight_scale = std::move(weights->scale);
            node.remark = std::move(weights->remark);
        }
        set_window(graph, node, conv);
        node.op = Op::fused_conv;
        node.fused_conv = std::move(conv);
        node.inputs = {node.inputs[0], no_value, no_value};
        node.attributes.clear();
    }
    return {};
}

}  // namespace sluice
