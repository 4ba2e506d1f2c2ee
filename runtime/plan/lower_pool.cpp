#include <algorithm>

#include "graph/shapes.h"
#include "plan/arrange.h"
#include "plan/conv/int8_numbers.h"
#include "plan/lower.h"

namespace sluice {
namespace {

struct Window {
    std::int64_t kernel[2], stride[2], pads[4];
};

/// Kernel, strides and pads, y before x; auto_pad SAME puts the odd pixel last or first.
Window read_window(const Graph& graph, const Node& node, const Shape& x, const Shape& y) {
    Window w{};
    const Shape kernel = graph.ints_attribute(node, "kernel_shape", {1, 1});
    const Shape stride = graph.ints_attribute(node, "strides", {1, 1});
    const Shape pads = graph.ints_attribute(node, "pads", {0, 0, 0, 0});
    const std::string automatic = graph.string_attribute(node, "auto_pad", "NOTSET");
    std::copy_n(kernel.begin(), 2, w.kernel);
    std::copy_n(stride.begin(), 2, w.stride);
    if (automatic == "NOTSET") {
        std::copy_n(pads.begin(), 4, w.pads);
    } else if (automatic != "VALID") {
        for (std::size_t a = 0; a < 2; ++a) {
            const std::int64_t reach = (y[a + 1] - 1) * w.stride[a] + w.kernel[a] - x[a + 1];
            const std::int64_t total = std::max(reach, std::int64_t{0});
            w.pads[a] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
            w.pads[a + 2] = total - w.pads[a];
        }
    }
    return w;
}

/// Leaves out what all windows have in the padding alone, which changes no maximum and no mean of
/// the elements inside: a kernel walks its window whole. Returns whether that left little more than
/// the input, and each window holds some of it.
bool clip_window(Window& w, const Layout& x, const Layout& y, bool counts_pads) {
    const std::int64_t in[2] = {x.height(), x.width()}, out[2] = {y.height(), y.width()};
    for (std::size_t a = 0; a < 2; ++a) {
        const std::int64_t last = (out[a] - 1) * w.stride[a] - w.pads[a];
        if (w.kernel[a] <= w.pads[a] || last >= in[a]) {
            return false;
        }
        if (!counts_pads) {
            const std::int64_t before = std::max(-last, std::int64_t{0});
            w.pads[a] -= before;
            w.kernel[a] = std::min(w.kernel[a] - before, in[a] + w.pads[a]);
        }
        constexpr std::int64_t spare = 64;  // what a small input may be padded by
        if (w.kernel[a] > 2 * in[a] + spare) {
            return false;
        }
    }
    return true;
}

Status no_image(const Planner& planner, const Node& node) {
    return planner.unsupported(
        node,
        "pools " + to_string(planner.graph.values[std::size_t(node.inputs[0])].shape) +
            ", which is no [N, C, H, W]",
        "pool two-dimensional images");
}

/// What both pools' kernels take of a window; threads share out its rows.
template <typename Call>
Call window_call(const Window& w, const Layout& x, const Layout& y, std::int64_t channels,
                 Step& step) {
    step.split = {y.height(), {along(&Call::output, 2, 1)}, index_of(&Call::first_row)};
    step.rows = {y.height(), 1, {{index_of(&Call::input), w.stride[0], w.pads[0], w.kernel[0]}}};
    Call call;
    call.input = pixels(x, channels);
    call.kernel_x = std::int32_t(w.kernel[1]);
    call.kernel_y = std::int32_t(w.kernel[0]);
    call.stride_x = std::int32_t(w.stride[1]);
    call.stride_y = std::int32_t(w.stride[0]);
    call.pad_left = std::int32_t(w.pads[1]);
    call.pad_top = std::int32_t(w.pads[0]);
    call.output = pixels(y, channels);
    return call;
}

template <typename Call>
Call average_call(const Window& w, const Layout& x, const Layout& y, std::int64_t channels,
                  Step& step) {
    auto call = window_call<Call>(w, x, y, channels, step);
    call.count_width = std::int32_t(x.width() + w.pads[3]);
    call.count_height = std::int32_t(x.height() + w.pads[2]);
    return call;
}

/// From the numbers of a quantised input to those of the output.
template <typename Call>
void set_rescaling(const Planner& planner, const Node& node, Call& call) {
    const Quantization& x = *planner.graph.values[std::size_t(node.inputs[0])].quantization;
    const Quantization& y = *planner.graph.values[std::size_t(node.outputs[0])].quantization;
    const OutputRange range = output_range(y);
    call.input_zero = x.zero_point;
    call.factor = float(double(x.scale) / y.scale);
    call.low = range.low;
    call.high = range.high;
    call.zero = y.zero_point;
}

}  // namespace

Result<Lowered> lower_pool(Planner& planner, const Node& node) {
    const Graph& graph = planner.graph;
    const Layout& x = planner.layout(node.inputs[0]);
    const Shape dilations = graph.ints_attribute(node, "dilations", {1, 1});
    if (!x.is_image()) {
        return no_image(planner, node);
    }
    if (dilations != Shape{1, 1}) {
        return planner.unsupported(node, "has dilations " + to_string(dilations),
                                   "pool without dilation");
    }
    const bool averages = node.op == Op::average_pool;
    Window w = read_window(graph, node, planner.layouts.image_shape(node.inputs[0]),
                           planner.layouts.image_shape(node.outputs[0]));
    const std::int64_t channels = common_channels(planner, x);
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, writes_all_lanes(planner, x, channels));
    const Layout& y = lowered.output;
    const bool counts_pads = averages && graph.int_attribute(node, "count_include_pad", 0) != 0;
    if (!clip_window(w, x, y, counts_pads)) {
        return planner.unsupported(node,
                                   "has windows of " + std::to_string(w.kernel[0]) + "x" +
                                       std::to_string(w.kernel[1]) +
                                       " that lie in the padding, or for the most part",
                                   "pad by less than the kernel");
    }
    Step step;
    step.node = node.name;
    step.shape = extents_of(x) + " -> " + extents_of(y);
    step.work = w.kernel[0] * w.kernel[1] * y.channels() * y.height() * y.width();
    const bool is_quantised = x.type == ElementType::uint8;
    if (averages && is_quantised) {
        step.kernel = planner.kernel(Algorithm::int8_average_pool);
        auto call = average_call<Int8AveragePoolCall<Buffer>>(w, x, y, channels, step);
        call.include_pad = std::int32_t(counts_pads);
        set_rescaling(planner, node, call);
        set_call(step, call);
    } else if (averages) {
        step.kernel = planner.kernel(Algorithm::average_pool);
        auto call = average_call<AveragePoolCall<Buffer>>(w, x, y, channels, step);
        call.include_pad = std::int32_t(counts_pads);
        set_call(step, call);
    } else if (is_quantised) {
        step.kernel = planner.kernel(Algorithm::int8_max_pool);
        set_call(step, window_call<Int8MaxPoolCall<Buffer>>(w, x, y, channels, step));
    } else {
        step.kernel = planner.kernel(Algorithm::max_pool);
        set_call(step, window_call<MaxPoolCall<Buffer>>(w, x, y, channels, step));
    }
    lowered.steps.push_back(std::move(step));
    return lowered;
}

Result<Lowered> lower_global_average_pool(Planner& planner, const Node& node) {
    const Layout& x = planner.layout(node.inputs[0]);
    if (!x.is_image()) {
        return no_image(planner, node);
    }
    const std::int64_t channels = common_channels(planner, x);
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, writes_all_lanes(planner, x, channels));
    Buffer output = pixels(lowered.output, channels);
    output.axes.resize(1);
    Step step;
    step.node = node.name;
    step.shape = extents_of(x) + " -> " + extents_of(lowered.output);
    if (x.type == ElementType::uint8) {
        step.kernel = planner.kernel(Algorithm::int8_global_average_pool);
        Int8GlobalAveragePoolCall<Buffer> call;
        call.input = pixels(x, channels);
        call.output = output;
        set_rescaling(planner, node, call);
        set_call(step, call);
    } else {
        step.kernel = planner.kernel(Algorithm::global_average_pool);
        set_call(step,
                 GlobalAveragePoolCall<Buffer>{.input = pixels(x, channels), .output = output});
    }
    lowered.steps.push_back(std::move(step));
    return lowered;
}

}  // namespace sluice
