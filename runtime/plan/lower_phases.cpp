#include "plan/conv_common.h"
#include "plan/lower.h"

/// A convolution of stride 2 is one of stride 1, with half the kernel's extents, over the four
/// phases of its input: pixels of even and odd rows and columns, side by side as channels.
/// Winograd's kernels compute the latter.
namespace sluice {
namespace {

constexpr std::int64_t stride = 2;

/// Whether a padded extent has each pixel of the phases that the outputs along it read.
bool covers(std::int64_t outputs, std::int64_t taps, std::int64_t padded) {
    return stride * (outputs + taps - 1) <= padded;
}

/// Winograd's kernel over copied phases; null where it has none.
const Kernel* find_kernel(const Builder& builder, const Conv& c, const Layout& x, const Layout& y) {
    const std::int64_t channels = c.conv.weights->shape[1];
    const bool fits = has_phases(c.conv, x, y) && x.pitch() == channels;
    if (c.conv.gate != GateForm::none || !fits) {
        return nullptr;
    }
    return find_winograd(builder, Family::dense_winograd, phase_taps(c.conv),
                         stride * stride * channels, c.outputs, y);
}

}  // namespace

std::int64_t phase_taps(const FusedConv& conv) {
    return (square_kernel(conv) + stride - 1) / stride;
}

bool has_phases(const FusedConv& conv, const Layout& x, const Layout& y) {
    const std::int64_t taps = phase_taps(conv);
    return square_kernel(conv) > 0 && conv.stride[0] == stride && conv.stride[1] == stride &&
           covers(y.height(), taps, conv.pads[0] + x.height() + conv.pads[2]) &&
           covers(y.width(), taps, conv.pads[1] + x.width() + conv.pads[3]);
}

Status copy_phases(Builder& builder, Conv& c, const Layout& input, const Layout& output) {
    const Kernel* kernel =
        with_single_clamp(find_kernel(builder, c, input, output), c.node, c.remark);
    if (kernel == nullptr) {
        return {};
    }
    const std::int64_t taps = kernel->kernel_size, pitch = kernel->pitch;
    const std::int64_t width = output.width() + taps - 1, height = output.height() + taps - 1;
    // The kernel reads whole vectors of channels.
    Buffer phases =
        builder.scratch(height * width * pitch + builder.lanes, halide_type_of<float>(), {});
    // Two pixels of a row lie side by side in both, the second row's behind the first one's.
    const std::int64_t pair = stride * input.pitch(), row = c.input.axes[1].stride;
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
    const std::int64_t kernel = weights.shape[2], taps = (kernel + stride - 1) / stride;
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
