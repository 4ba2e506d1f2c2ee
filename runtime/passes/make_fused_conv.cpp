#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// Whether a kernel may compute a Conv.
bool is_supported(const Graph& graph, const Node& node) {
    const auto is_float = [&graph](ValueId id) {
        const Constant* constant = graph.constant(id);
        return constant != nullptr && constant->is_float();
    };
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
    return is_float(node.inputs[1]) && (!has_bias || is_float(node.inputs[2])) &&
           graph.constant(node.inputs[1])->shape.size() == 4 &&
           graph.int_attribute(node, "group", 1) == 1 &&
           graph.ints_attribute(node, "dilations", {1, 1}) == Shape{1, 1};
}

/// Pads of ONNX's auto_pad SAME_UPPER and SAME_LOWER, which put the odd one last or first.
void set_same_pads(FusedConv& conv, const Shape& x, const Shape& y, bool upper) {
    for (std::size_t a = 0; a < 2; ++a) {
        const std::int64_t reach =
            (y[a + 2] - 1) * conv.stride[a] + conv.weights->shape[a + 2] - x[a + 2];
        const std::int64_t total = std::max(reach, std::int64_t{0});
        conv.pads[a] = upper ? total / 2 : total - total / 2;
        conv.pads[a + 2] = total - conv.pads[a];
    }
}

FusedConv fused_conv_of(const Graph& graph, const Node& node) {
    FusedConv conv;
    conv.weights = graph.values[std::size_t(node.inputs[1])].constant;
    const auto maps = std::size_t(conv.weights->shape[0]);
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
    conv.bias.assign(maps, 0);
    if (has_bias) {
        const Floats& bias = graph.constant(node.inputs[2])->floats();
        conv.bias.assign(bias.begin(), bias.end());
    }
    conv.scale.assign(maps, 1);
    conv.shift.assign(maps, 0);
    const Shape stride = graph.ints_attribute(node, "strides", {1, 1});
    std::copy_n(stride.begin(), 2, conv.stride);
    const std::string automatic = graph.string_attribute(node, "auto_pad", "NOTSET");
    if (automatic == "NOTSET") {
        const Shape pads = graph.ints_attribute(node, "pads", {0, 0, 0, 0});
        std::copy_n(pads.begin(), 4, conv.pads);
    } else if (automatic != "VALID") {
        set_same_pads(conv, shape_of(graph, node.inputs[0]), shape_of(graph, node.outputs[0]),
                      automatic == "SAME_UPPER");
    }
    return conv;
}

}  // namespace

Status make_fused_conv(Graph& graph) {
    for (Node& node : graph.nodes) {
        if (node.op != Op::conv || !is_supported(graph, node)) {
            continue;
        }
        node.fused_conv = fused_conv_of(graph, node);
        node.op = Op::fused_conv;
        node.inputs = {node.inputs[0], no_value, no_value};
        node.attributes.clear();
    }
    return {};
}

}  // namespace sluice
