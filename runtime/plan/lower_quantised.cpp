#include "graph/aligned.h"
#include "plan/arrange.h"
#include "plan/conv/int8_weights.h"
#include "plan/conv/select.h"
#include "plan/lower.h"

/// Between floats and quantised values, and the Gemm of quantised ones.
namespace sluice {
namespace {

template <typename Call>
Result<Lowered> lower_elements(Planner& planner, const Node& node, Algorithm algorithm, Call call,
                               Layout output) {
    Lowered lowered;
    lowered.output = std::move(output);
    call.input = view(planner.layout(node.inputs[0]));
    call.output = view(lowered.output);
    SLUICE_RETURN_IF_ERROR(
        append(lowered.steps, elementwise_step(planner, node, algorithm, call, "runs over")));
    lowered.steps.back().remark = node.remark;
    return lowered;
}

}  // namespace

Result<Lowered> lower_quantize(Planner& planner, const Node& node) {
    QuantizeCall<Buffer> call;
    call.scale = node.quantization->scale;
    call.zero = node.quantization->zero_point;
    const OutputRange range = output_range(*node.quantization);
    call.low = range.low;
    call.high = range.high;
    // As an input of the graph, images for convolutions alone have no lanes beside their channels.
    return lower_elements(planner, node, Algorithm::quantize, call,
                          planner.layouts.allocate_input(node));
}

Result<Lowered> lower_dequantize(Planner& planner, const Node& node) {
    DequantizeCall<Buffer> call;
    call.scale = node.quantization->scale;
    call.zero = node.quantization->zero_point;
    return lower_elements(planner, node, Algorithm::dequantize, call,
                          planner.layouts.allocate(node, false));
}

Result<Lowered> lower_int8_gemm(Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = planner.layout(node.inputs[0]);
    SLUICE_RETURN_IF_ERROR(check_int8(planner, node));
    const std::int64_t inputs = conv.weights->shape[1], outputs = conv.weights->shape[0];
    if (x.axes.size() != 1) {
        return planner.unsupported(
            node,
            "multiplies " + to_string(planner.graph.values[std::size_t(node.inputs[0])].shape),
            "multiply [N, I] by constant weights");
    }
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, true);
    lowered.macs = inputs * outputs;
    // A map of one position, whose channels are the inputs.
    const std::int64_t padded = planner.layouts.channel_stride(outputs);
    Buffer input = view(x), output = view(lowered.output);
    input.axes = {{inputs, 1}, {1, inputs}};
    output.axes = {{padded, 1}, {1, padded}, {1, padded}};
    const std::vector<Axis> repeated = {{padded, 1}, {1, 0}, {1, 0}};
    const Buffer gate =
        planner.constants.add_floats(std::vector<float>(std::size_t(padded)), repeated);
    const Buffer residual =
        planner.constants.add_bytes(std::vector<std::uint8_t>(std::size_t(padded)), repeated);
    ConvLayer layer;
    layer.channel_stride = inputs;
    layer.outputs = padded;
    const Convolution c{.node = node,
                        .conv = conv,
                        .layer = layer,
                        .input = input,
                        .channel_stride = inputs,
                        .gate = gate,
                        .residual = residual,
                        .output = output,
                        .outputs = padded,
                        .shape = std::to_string(inputs) + " -> " + std::to_string(outputs)};
    const auto candidates = select_for_all(planner, c);
    if (!candidates.ok()) {
        return candidates.status();
    }
    SLUICE_RETURN_IF_ERROR(emit_all(planner, c, candidates.value(), lowered.steps));
    return lowered;
}

}  // namespace sluice
