#include <optional>

#include "plan/conv_common.h"
#include "plan/lower.h"

/// A convolution of stride 2 is one of stride 1, with half the kernel's extents, over the four
/// phases of its input: pixels of even and odd rows and columns, side by side as channels.
/// Winograd's kernels compute the latter.
namespace sluice {
namespace {

constexpr std::int64_t stride = 2;

std::int64_t phase_taps(std::int64_t kernel) { return (kernel + stride - 1) / stride; }

/// The convolution of stride 1 over a layer's phases, once they lie side by side; none where a
/// phase lacks pixels, or the input's pixels do not follow each other.
std::optional<ConvLayer> over_phases(const Conv& c) {
    const ConvLayer& layer = c.layer;
    const std::int64_t channels = c.conv.weights->shape[1];
    ConvLayer phases;
    for (std::size_t axis = 0; axis < 2; ++axis) {
        phases.kernel[axis] = phase_taps(layer.kernel[axis]);
        phases.output[axis] = layer.output[axis];
        phases.input[axis] = layer.output[axis] + phases.kernel[axis] - 1;
        if (layer.stride[axis] != stride || stride * phases.input[axis] > layer.input[axis]) {
            return std::nullopt;
        }
    }
    phases.channel_stride = stride * stride * channels;
    phases.outputs = layer.outputs;
    phases.has_tail = true;
    const bool is_square = layer.kernel[0] == layer.kernel[1];
    return is_square && layer.channel_stride == channels ? std::optional(phases) : std::nullopt;
}

/// Winograd's kernel over copied phases; null where it has none.
const Kernel* find_kernel(const Builder& builder, const Conv& c) {
    const auto phases = c.conv.gate == GateForm::none ? over_phases(c) : std::nullopt;
    return phases ? find_winograd(builder, GateForm::none, *phases) : nullptr;
}

}  // namespace

Status copy_phases(Builder& builder, Conv& c) {
    const Kernel* kernel = accept_winograd(find_kernel(builder, c), c.node, c.remark);
    if (kernel == nullptr) {
        return {};
    }
    const std::int64_t taps = kernel->as<WinogradInfo>().taps;
    const std::int64_t pitch = kernel->as<WinogradInfo>().channels;
    const std::int64_t height = c.layer.output[0] + taps - 1, width = c.layer.output[1] + taps - 1;
    // The kernel reads whole vectors of channels.
    Buffer phases =
        builder.scratch(height * width * pitch + builder.lanes, halide_type_of<float>(), {});
    // Two pixels of a row lie side by side in both, the second row's behind the first one's.
    const std::int64_t pair = stride * c.input_pitch, row = c.input.axes[1].stride;
    Buffer from = c.input, to = phases;
    from.axes = {{pair, 1}, {width, pair}, {stride, row}, {height, stride * row}};
    to.axes = {{pair, 1}, {width, pitch}, {stride, pair}, {height, width * pitch}};
    SLUICE_RETURN_IF_ERROR(emit_copy(builder, c.node, from, to));
    phases.axes = {{width * pitch, 1}, {height, width * pitch}};
    c.input = phases;
    c.winograd = kernel;
    return {};
}

Constant phase_weights(const Constant& weights, std::int64_t pitch) {
    const std::int64_t outputs = weights.shape[0], channels = weights.shape[1];
    const std::int64_t kernel = weights.shape[2], taps = phase_taps(kernel);
    const std::int64_t phases = stride * stride;
    std::vector<float> values(std::size_t(outputs * phases * pitch * taps * taps));
    const float* from = weights.floats().data();
    for (std::int64_t k = 0; k < outputs; ++k) {
        for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t y = 0; y < kernel; ++y) {
                for (std::int64_t x = 0; x < kernel; ++x) {
                    const std::int64_t phase = y % stride * stride + x % stride;
                    const std::int64_t channel = (k * phases + phase) * pitch + c;
                    const std::int64_t tap = (channel * taps + y / stride) * taps + x / stride;
                    values[std::size_t(tap)] = *from++;
                }
            }
        }
    }
    return {{outputs, phases * pitch, taps, taps}, std::move(values)};
}

}  // namespace sluice
