#include "plan/conv/convolution.h"

#include <algorithm>
#include <functional>

#include "plan/arrange.h"
#include "plan/conv/int8_weights.h"
#include "plan/conv/transposed.h"

namespace sluice {
namespace {

/// Whether all that the kernels read beside their inputs' elements is theirs: padding in the halo
/// of the input, and whole vectors of a per-element gate and of the residual.
bool holds_what_is_read(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = planner.layout(node.inputs[0]);
    const std::int64_t outputs = planner.layouts.channel_stride(conv.weights->shape[0]);
    const auto has_lanes = [&](ValueId id) {
        return id == no_value || planner.layout(id).channel_stride() >= outputs;
    };
    const auto halo = halo_of(conv, planner.layouts.image_shape(node.inputs[0]),
                              planner.layouts.image_shape(node.outputs[0]));
    return std::equal(halo.begin(), halo.end(), x.halo, std::less_equal<>()) &&
           (conv.gate != GateForm::element || has_lanes(node.inputs[1])) &&
           has_lanes(node.inputs[2]);
}

Buffer repeated(Buffer row, std::int64_t outputs, const Layout& y) {
    row.axes = {{outputs, 1}, {y.width(), 0}, {y.height(), 0}};
    return row;
}

Buffer no_gate(Planner& planner, std::int64_t outputs, const Layout& y) {
    return repeated(planner.constants.add_floats(std::vector<float>(std::size_t(outputs)), {}),
                    outputs, y);
}

Buffer no_bytes(Planner& planner, std::int64_t outputs, const Layout& y) {
    return repeated(
        planner.constants.add_bytes(std::vector<std::uint8_t>(std::size_t(outputs)), {}), outputs,
        y);
}

}  // namespace

Status check_conv(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const bool crops = std::any_of(conv.pads, conv.pads + 4, [](auto pad) { return pad < 0; });
    if (crops && !conv.is_transposed()) {
        return planner.unsupported(node, "has pads " + to_string(Shape(conv.pads, conv.pads + 4)),
                                   "slice its input instead");
    }
    const Shape y = planner.layouts.image_shape(node.outputs[0]);
    if (y[1] > 65535 || y[2] > 65535) {
        return planner.unsupported(
            node, "has a map of " + to_string(y) + ", more than 65535 rows or columns",
            "export with a smaller image");
    }
    if (conv.is_quantised()) {
        SLUICE_RETURN_IF_ERROR(check_int8(planner, node));
    }
    if (!holds_what_is_read(planner, node)) {
        return planner.unsupported(node, "would read beyond the memory of its inputs",
                                   "report this model: the fault is Sluice's");
    }
    return {};
}

Buffer patches(const Layout& input, const FusedConv& conv) {
    Buffer buffer = view(input);
    const std::int64_t top = conv.pads[0], left = conv.pads[1];
    buffer.offset -= top * input.row_stride() + left * input.channel_stride();
    buffer.axes = {{(left + input.width() + conv.pads[3]) * input.channel_stride(), 1},
                   {top + input.height() + conv.pads[2], input.row_stride()}};
    return buffer;
}

ConvLayer conv_layer(const Layout& x, const FusedConv& conv, const Layout& y,
                     std::int64_t outputs) {
    ConvLayer layer;
    std::copy_n(conv.weights->shape.begin() + 2, 2, layer.kernel);
    std::copy_n(conv.stride, 2, layer.stride);
    std::copy_n(conv.dilation, 2, layer.dilation);
    layer.groups = conv.groups;
    layer.is_depthwise = conv.groups > 1 && conv.weights->shape[1] == 1;
    std::copy_n(conv.pads, 4, layer.pads);
    layer.input[0] = conv.pads[0] + x.height() + conv.pads[2];
    layer.input[1] = conv.pads[1] + x.width() + conv.pads[3];
    layer.output[0] = y.height();
    layer.output[1] = y.width();
    layer.channel_stride = x.channel_stride();
    layer.outputs = outputs;
    return layer;
}

std::string conv_shape(const Layout& input, const Layout& output, const FusedConv& conv) {
    const Shape& w = conv.weights->shape;
    std::string text = extents_of(input) + " -> " + extents_of(output) + ", " +
                       std::to_string(w[2]) + "x" + std::to_string(w[3]);
    if (conv.stride[0] != 1 || conv.stride[1] != 1) {
        text += " by " + std::to_string(conv.stride[0]) + "x" + std::to_string(conv.stride[1]);
    }
    if (conv.is_dilated()) {
        text += ", dilation " + std::to_string(conv.dilation[0]) + "x" +
                std::to_string(conv.dilation[1]);
    }
    if (conv.groups > 1) {
        text += ", " + std::to_string(conv.groups) + " groups";
    }
    return text;
}

namespace {

/// Constants that an L3 cache holds beside activations: 32 MiB of floats.
constexpr std::int64_t cached_elements = std::int64_t{1} << 23;

}  // namespace

Convolution make_convolution(Planner& planner, const Node& node, const Layout& y) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = planner.layout(node.inputs[0]);
    const std::int64_t outputs = y.channel_stride();
    const Buffer no_factors = no_gate(planner, outputs, y);
    const Buffer none = conv.is_quantised() ? no_bytes(planner, outputs, y) : no_factors;
    return {.node = node,
            .conv = conv,
            .layer = conv_layer(x, conv, y, outputs),
            .input = patches(x, conv),
            .channel_stride = x.channel_stride(),
            .gate = no_factors,
            .residual =
                node.inputs[2] == no_value ? none : pixels(planner.layout(node.inputs[2]), outputs),
            .output = pixels(y, outputs),
            .outputs = outputs,
            .reads_memory = planner.graph.stored_elements > cached_elements,
            .shape = conv_shape(x, y, conv)};
}

bool splits_weights(const Step& step, std::int64_t blocks) {
    constexpr std::int64_t split_from = std::int64_t{1} << 20;
    return blocks > 1 && step.packed_bytes >= split_from;
}

}  // namespace sluice
