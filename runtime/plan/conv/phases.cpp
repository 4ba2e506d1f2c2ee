#include "plan/conv/phases.h"

namespace sluice {
namespace {

constexpr std::int64_t stride = 2;

std::int64_t phase_taps(std::int64_t kernel) { return (kernel + stride - 1) / stride; }

}  // namespace

std::optional<ConvLayer> over_phases(const Convolution& c) {
    if (c.conv.gate != GateForm::none || !c.conv.is_plain()) {
        return std::nullopt;
    }
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

PhaseCopy copy_of_phases(Planner& planner, const Convolution& c, std::int64_t taps,
                         std::int64_t channel_stride) {
    const std::int64_t height = c.height() + taps - 1, width = c.width() + taps - 1;
    // The kernel reads whole vectors of channels.
    Buffer phases = planner.arena.scratch(height * width * channel_stride + planner.lanes,
                                          halide_type_of<float>(), {});
    // Two pixels of a row lie side by side in both, the second row's behind the first one's.
    const std::int64_t pair = stride * c.channel_stride, row = c.input.axes[1].stride;
    PhaseCopy copy{c.input, phases, phases};
    copy.from.axes = {{pair, 1}, {width, pair}, {stride, row}, {height, stride * row}};
    copy.to.axes = {
        {pair, 1}, {width, channel_stride}, {stride, pair}, {height, width * channel_stride}};
    copy.phases.axes = {{width * channel_stride, 1}, {height, width * channel_stride}};
    return copy;
}

Constant phase_weights(const Constant& weights, std::int64_t channel_stride) {
    const std::int64_t outputs = weights.shape[0], channels = weights.shape[1];
    const std::int64_t kernel = weights.shape[2], taps = phase_taps(kernel);
    const std::int64_t phases = stride * stride;
    std::vector<float> values(std::size_t(outputs * phases * channel_stride * taps * taps));
    const float* from = weights.floats().data();
    for (std::int64_t k = 0; k < outputs; ++k) {
        for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t y = 0; y < kernel; ++y) {
                for (std::int64_t x = 0; x < kernel; ++x) {
                    const std::int64_t phase = y % stride * stride + x % stride;
                    const std::int64_t channel = (k * phases + phase) * channel_stride + c;
                    const std::int64_t tap = (channel * taps + y / stride) * taps + x / stride;
                    values[std::size_t(tap)] = *from++;
                }
            }
        }
    }
    return {{outputs, phases * channel_stride, taps, taps}, std::move(values)};
}

}  // namespace sluice
