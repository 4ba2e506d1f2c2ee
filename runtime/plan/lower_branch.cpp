#include <algorithm>
#include <functional>

#include "plan/conv_common.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// Whether all that the kernels read beside their inputs' elements is theirs: padding in the halo
/// of the input, and whole vectors of a gate an element and of the residual.
bool holds_what_is_read(const Builder& builder, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = builder.layout(node.inputs[0]);
    const std::int64_t outputs = builder.channel_pitch(conv.weights->shape[0]);
    const auto has_lanes = [&](ValueId id) {
        return id == no_value || builder.layout(id).pitch() >= outputs;
    };
    return std::equal(conv.pads, conv.pads + 4, x.halo, std::less_equal<>()) &&
           (conv.gate != GateForm::element || has_lanes(node.inputs[1])) &&
           has_lanes(node.inputs[2]);
}

}  // namespace

Status check_conv(const Builder& builder, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    if (std::any_of(conv.pads, conv.pads + 4, [](std::int64_t pad) { return pad < 0; })) {
        return builder.unsupported(node, "has pads " + to_string(Shape(conv.pads, conv.pads + 4)),
                                   "slice its input instead");
    }
    const Shape y = builder.picture_shape(node.outputs[0]);
    if (y[1] > 65535 || y[2] > 65535) {
        return builder.unsupported(
            node, "has a map of " + to_string(y) + ", more than 65535 rows or columns",
            "export with a smaller image");
    }
    if (!holds_what_is_read(builder, node)) {
        return builder.unsupported(node, "would read beyond the memory of its inputs",
                                   "report this model: the fault is Sluice's");
    }
    return {};
}

Buffer patches(const Layout& input, const FusedConv& conv) {
    Buffer buffer = view(input);
    const std::int64_t top = conv.pads[0], left = conv.pads[1];
    buffer.offset -= top * input.row() + left * input.pitch();
    buffer.axes = {{(left + input.width() + conv.pads[3]) * input.pitch(), 1},
                   {top + input.height() + conv.pads[2], input.row()}};
    return buffer;
}

int square_kernel(const FusedConv& conv) {
    const Shape& shape = conv.weights->shape;
    return shape[2] == shape[3] ? int(shape[2]) : -1;
}

ConvLayer conv_layer(const Layout& x, const FusedConv& conv, const Layout& y,
                     std::int64_t outputs) {
    ConvLayer layer;
    std::copy_n(conv.weights->shape.begin() + 2, 2, layer.kernel);
    std::copy_n(conv.stride, 2, layer.stride);
    std::copy_n(conv.pads, 4, layer.pads);
    layer.input[0] = conv.pads[0] + x.height() + conv.pads[2];
    layer.input[1] = conv.pads[1] + x.width() + conv.pads[3];
    layer.output[0] = y.height();
    layer.output[1] = y.width();
    layer.channel_stride = x.pitch();
    layer.outputs = outputs;
    return layer;
}

std::int64_t macs_per_output(const FusedConv& conv) {
    const Shape& shape = conv.weights->shape;
    return shape[1] * shape[2] * shape[3];
}

std::string conv_shape(const Layout& input, const Layout& output, const FusedConv& conv) {
    const auto extents = [](const Layout& l) {
        return std::to_string(l.channels()) + "x" + std::to_string(l.height()) + "x" +
               std::to_string(l.width());
    };
    const Shape& w = conv.weights->shape;
    std::string text = extents(input) + " -> " + extents(output) + ", " + std::to_string(w[2]) +
                       "x" + std::to_string(w[3]);
    if (conv.stride[0] != 1 || conv.stride[1] != 1) {
        text += " by " + std::to_string(conv.stride[0]) + "x" + std::to_string(conv.stride[1]);
    }
    return text;
}

bool is_branch_form(const Builder& builder, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const bool only_clamps = conv.scale[0] == 1 && conv.shift[0] == 0;
    return conv.weights->shape[0] == 1 && conv.gate == GateForm::none &&
           node.inputs[2] == no_value && only_clamps &&
           builder.layout(node.inputs[0]).pitch() % builder.lanes == 0;
}

Buffer pack_rows(Builder& builder, const FusedConv& conv, std::int64_t pitch) {
    const Shape& shape = conv.weights->shape;
    const std::int64_t rows = shape[2], row = shape[3] * pitch;
    std::vector<float> packed(std::size_t(shape[0] * rows * row));
    const float* from = conv.weights->floats().data();
    for (std::int64_t k = 0; k < shape[0]; ++k) {
        for (std::int64_t c = 0; c < shape[1]; ++c) {
            for (std::int64_t y = 0; y < rows; ++y) {
                for (std::int64_t x = 0; x < shape[3]; ++x) {
                    packed[std::size_t((k * rows + y) * row + x * pitch + c)] = *from++;
                }
            }
        }
    }
    return builder.constants.add_floats(packed, {{row, 1}, {rows, row}, {shape[0], rows * row}});
}

Status lower_branch(Builder& builder, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = builder.layout(node.inputs[0]);
    const Layout& y = builder.allocate(node, false);
    Buffer weights = pack_rows(builder, conv, x.pitch());
    weights.axes.pop_back();  // one channel
    const Clamp clamp = compose(conv.act, conv.post);
    Step step;
    step.kernel =
        find_conv(Algorithm::branch, GateForm::none, builder.target, conv_layer(x, conv, y, 1));
    if (step.kernel == nullptr) {
        return builder.unsupported(node, "has no kernel for its branch", "choose another target");
    }
    step.node = node.name;
    step.shape = conv_shape(x, y, conv);
    step.packed_bytes = weights.axes[1].extent * weights.axes[1].stride * 4;
    step.macs = macs_per_output(conv) * y.height() * y.width();
    step.work = 2 * step.macs;
    Buffer output = pixels(y, 1);
    output.axes = {output.axes[1], output.axes[2]};
    step.arguments = {patches(x, conv),
                      weights,
                      std::int32_t(conv.stride[1]),
                      std::int32_t(conv.stride[0]),
                      std::int32_t(x.pitch()),
                      conv.bias[0],
                      clamp.low,
                      clamp.high,
                      output};
    step.split = {y.height(), {{0, 1, conv.stride[0]}, {8, 1, 1}}, -1};
    (conv.is_branch ? builder.plan.branch_macs : builder.plan.macs) += step.macs;
    builder.emit(std::move(step));
    return {};
}

}  // namespace sluice
