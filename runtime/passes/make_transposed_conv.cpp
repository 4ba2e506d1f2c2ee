#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// A layer takes a step or two for each phase of its output.
constexpr std::int64_t most_phases = 1024;

bool can_transpose(const Graph& graph, const Node& node) {
    const auto is_float = [&](std::size_t i) {
        const Constant* constant = graph.constant(node.inputs[i]);
        return constant != nullptr && constant->is_float();
    };
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Shape strides = graph.ints_attribute(node, "strides", {1, 1});
    return strides.size() == 2 && strides[0] * strides[1] <= most_phases && is_float(1) &&
           (!has_bias || is_float(2)) && shape_of(graph, node.inputs[1]).size() == 4;
}

/// [C, K / groups, kh, kw] -> [K, C / groups, kh, kw], each window turned by half a circle: an
/// input that adds to the outputs around it is an output that sums the inputs around it.
Constant turned(const Constant& weights, std::int64_t groups) {
    const Shape& shape = weights.shape;
    const std::int64_t inputs = shape[0] / groups, outputs = shape[1], taps = shape[2] * shape[3];
    std::vector<float> values(weights.floats().size());
    const float* from = weights.floats().data();
    for (std::int64_t c = 0; c < shape[0]; ++c) {
        for (std::int64_t k = 0; k < outputs; ++k) {
            const std::int64_t output = c / inputs * outputs + k;
            float* const to = values.data() + (output * inputs + c % inputs) * taps;
            for (std::int64_t tap = 0; tap < taps; ++tap) {
                to[taps - 1 - tap] = *from++;
            }
        }
    }
    return {{outputs * groups, inputs, shape[2], shape[3]}, std::move(values)};
}

/// What the output leaves out at its start along an axis, of what all windows cover.
std::int64_t crop_before(const Graph& graph, const Node& node, std::size_t axis, std::int64_t all) {
    const std::string automatic = graph.string_attribute(node, "auto_pad", "NOTSET");
    const bool is_given = !graph.ints_attribute(node, "output_shape", {}).empty();
    if (is_given || automatic.starts_with("SAME")) {
        return automatic == "SAME_UPPER" ? all / 2 : all - all / 2;
    }
    return automatic == "VALID" ? 0 : graph.ints_attribute(node, "pads", {0, 0, 0, 0})[axis];
}

void set_transposed_window(const Graph& graph, const Node& node, FusedConv& conv) {
    const Shape strides = graph.ints_attribute(node, "strides", {1, 1});
    const Shape dilations = graph.ints_attribute(node, "dilations", {1, 1});
    const Shape more = graph.ints_attribute(node, "output_padding", {0, 0});
    const Shape& x = shape_of(graph, node.inputs[0]);
    const Shape& y = shape_of(graph, node.outputs[0]);
    for (std::size_t a = 0; a < 2; ++a) {
        const std::int64_t taps = conv.weights->shape[a + 2];
        conv.input_dilation[a] = strides[a];
        conv.dilation[a] = taps == 1 ? 1 : dilations[a];
        const std::int64_t reach = dilations[a] * (taps - 1);
        const std::int64_t spread = (x[a + 2] - 1) * strides[a] + 1;
        const std::int64_t before =
            crop_before(graph, node, a, spread + reach + more[a] - y[a + 2]);
        conv.pads[a] = reach - before;
        conv.pads[a + 2] = y[a + 2] + reach - spread - conv.pads[a];
    }
}

}  // namespace

Status make_transposed_conv(Graph& graph) {
    for (Node& node : graph.nodes) {
        if (node.op != Op::conv_transpose || !can_transpose(graph, node)) {
            continue;
        }
        FusedConv conv;
        conv.groups = graph.int_attribute(node, "group", 1);
        conv.weights =
            std::make_shared<const Constant>(turned(*graph.constant(node.inputs[1]), conv.groups));
        const auto outputs = std::size_t(conv.weights->shape[0]);
        const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
        conv.bias.assign(outputs, 0);
        if (has_bias) {
            const Floats& bias = graph.constant(node.inputs[2])->floats();
            conv.bias.assign(bias.begin(), bias.end());
        }
        conv.scale.assign(outputs, 1);
        conv.shift.assign(outputs, 0);
        set_transposed_window(graph, node, conv);
        node.op = Op::fused_conv;
        node.fused_conv = std::move(conv);
        node.inputs = {node.inputs[0], no_value, no_value};
        node.attributes.clear();
    }
    return {};
}

}  // namespace sluice
