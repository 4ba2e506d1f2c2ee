#include <algorithm>
#include <cmath>

#include "graph/shapes.h"
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

/// How many channels a call handles: all lanes where input and output have the same pitch.
std::int64_t common_channels(const Layout& x, std::int64_t output_pitch) {
    return x.pitch() == output_pitch ? output_pitch : x.channels();
}

Status no_picture(const Builder& builder, const Node& node) {
    return builder.unsupported(
        node,
        "pools " + to_string(builder.graph.values[std::size_t(node.inputs[0])].shape) +
            ", which is no [N, C, H, W]",
        "pool two-dimensional images");
}

std::string pool_shape(const Layout& x, const Layout& y) {
    const auto extents = [](const Layout& l) {
        return std::to_string(l.channels()) + "x" + std::to_string(l.height()) + "x" +
               std::to_string(l.width());
    };
    return extents(x) + " -> " + extents(y);
}

}  // namespace

Status lower_pool(Builder& builder, const Node& node) {
    const Graph& graph = builder.graph;
    const Layout& x = builder.layout(node.inputs[0]);
    const Shape dilations = graph.ints_attribute(node, "dilations", {1, 1});
    if (!x.is_picture()) {
        return no_picture(builder, node);
    }
    if (dilations != Shape{1, 1}) {
        return builder.unsupported(node, "has dilations " + to_string(dilations),
                                   "pool without dilation");
    }
    const bool averages = node.op == Op::average_pool;
    const auto kernel =
        builder.kernel(node, averages ? Algorithm::average_pool : Algorithm::max_pool);
    if (!kernel.ok()) {
        return kernel.status();
    }
    Window w = read_window(graph, node, builder.picture_shape(node.inputs[0]),
                           builder.picture_shape(node.outputs[0]));
    const std::int64_t channels = common_channels(x, builder.channel_pitch(x.channels()));
    const Layout& y =
        builder.allocate(node, channels != x.channels() || x.channels() % builder.lanes == 0);
    const bool counts_pads = averages && graph.int_attribute(node, "count_include_pad", 0) != 0;
    if (!clip_window(w, x, y, counts_pads)) {
        return builder.unsupported(node,
                                   "has windows of " + std::to_string(w.kernel[0]) + "x" +
                                       std::to_string(w.kernel[1]) +
                                       " that lie in the padding, or for the most part",
                                   "pad by less than the kernel");
    }
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = pool_shape(x, y);
    step.work = w.kernel[0] * w.kernel[1] * y.channels() * y.height() * y.width();
    step.arguments = {pixels(x, channels),       std::int32_t(w.kernel[1]),
                      std::int32_t(w.kernel[0]), std::int32_t(w.stride[1]),
                      std::int32_t(w.stride[0]), std::int32_t(w.pads[1]),
                      std::int32_t(w.pads[0]),   std::int32_t(0)};
    step.split = {y.height(), {}, 7};
    if (averages) {
        step.arguments.insert(step.arguments.end(),
                              {std::int32_t(counts_pads), std::int32_t(x.width() + w.pads[3]),
                               std::int32_t(x.height() + w.pads[2])});
    }
    step.split.along.push_back({int(step.arguments.size()), 2, 1});
    step.arguments.push_back(pixels(y, channels));
    builder.emit(std::move(step));
    return {};
}

Status lower_global_average_pool(Builder& builder, const Node& node) {
    const Layout& x = builder.layout(node.inputs[0]);
    if (!x.is_picture()) {
        return no_picture(builder, node);
    }
    const auto kernel = builder.kernel(node, Algorithm::global_average_pool);
    if (!kernel.ok()) {
        return kernel.status();
    }
    const std::int64_t channels = common_channels(x, builder.channel_pitch(x.channels()));
    const Layout& y =
        builder.allocate(node, channels != x.channels() || x.channels() % builder.lanes == 0);
    Buffer output = pixels(y, channels);
    output.axes.resize(1);
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = pool_shape(x, y);
    step.arguments = {pixels(x, channels), output};
    builder.emit(std::move(step));
    return {};
}

namespace {

/// Where along the input an output element lies (ONNX Resize, coordinate_transformation_mode), in
/// float32 as ONNX Runtime and PyTorch compute it: ties depend on it. NaN for a mode that is not
/// known.
float source_place(const std::string& mode, float place, float scale, std::int64_t in,
                   std::int64_t out) {
    if (mode == "asymmetric") {
        return place / scale;
    }
    if (mode == "align_corners") {
        return out == 1 ? 0 : place * float(in - 1) / float(out - 1);
    }
    if (mode == "pytorch_half_pixel" && out == 1) {
        return 0;
    }
    return mode == "half_pixel" || mode == "pytorch_half_pixel" ? (place + 0.5F) / scale - 0.5F
                                                                : std::nanf("");
}

/// NaN for a mode that is not known.
float round_place(const std::string& mode, float place) {
    if (mode == "round_prefer_floor") {
        return std::ceil(place - 0.5F);
    }
    return mode == "round_prefer_ceil" ? std::round(place)
           : mode == "floor"           ? std::floor(place)
           : mode == "ceil"            ? std::ceil(place)
                                       : std::nanf("");
}

/// The two sources of each output along an axis, [2][out], and their weights; none where a mode is
/// not known.
struct Taps {
    std::vector<std::int32_t> sources;
    std::vector<float> weights;
};

std::optional<Taps> resize_taps(const Graph& graph, const Node& node, float scale, std::int64_t in,
                                std::int64_t out) {
    const auto text = [&](const char* name, const char* fallback) {
        return graph.string_attribute(node, name, fallback);
    };
    const bool linear = text("mode", "nearest") == "linear";
    const auto inside = [in](float place) {
        return std::int32_t(std::clamp(double(place), 0.0, double(in - 1)));
    };
    Taps taps{std::vector<std::int32_t>(std::size_t(2 * out)),
              std::vector<float>(std::size_t(2 * out))};
    for (std::int64_t i = 0; i < out; ++i) {
        const float at = source_place(text("coordinate_transformation_mode", "half_pixel"),
                                      float(i), scale, in, out);
        // As ONNX Runtime, before its neighbours are taken: they count even where they weigh
        // nothing.
        const float held = std::clamp(at, 0.0F, float(in - 1));
        const float low =
            linear ? std::floor(held) : round_place(text("nearest_mode", "round_prefer_floor"), at);
        if (std::isnan(low)) {
            return std::nullopt;
        }
        const float share = linear ? held - low : 0;
        taps.sources[std::size_t(i)] = inside(low);
        taps.sources[std::size_t(out + i)] = inside(linear ? low + 1 : low);
        taps.weights[std::size_t(i)] = 1 - share;
        taps.weights[std::size_t(out + i)] = share;
    }
    return taps;
}

/// Output over input along each axis, the batch first: ONNX's scales where they are given.
std::array<float, 4> resize_scales(const Graph& graph, const Node& node, const Shape& x,
                                   const Shape& y) {
    std::array<float, 4> scales;
    std::transform(y.begin(), y.end(), x.begin(), scales.begin(),
                   [](std::int64_t out, std::int64_t in) { return float(out) / float(in); });
    const Constant* given = node.inputs.size() > 2 ? graph.constant(node.inputs[2]) : nullptr;
    if (given == nullptr || !given->is_float() || given->floats().empty()) {
        return scales;
    }
    const Shape axes = graph.ints_attribute(node, "axes", {0, 1, 2, 3});
    for (std::size_t i = 0; i < axes.size() && i < given->floats().size(); ++i) {
        if (const auto axis = normalize_axis(axes[i], 4)) {
            scales[*axis] = given->floats()[i];
        }
    }
    return scales;
}

Status cannot_resize(const Builder& builder, const Node& node) {
    const Graph& graph = builder.graph;
    const Shape& from = graph.values[std::size_t(node.inputs[0])].shape;
    if (!builder.layout(node.inputs[0]).is_picture()) {
        return builder.unsupported(node,
                                   "resizes " + to_string(from) + ", which is no [N, C, H, W]",
                                   "resize two-dimensional images");
    }
    if (graph.int_attribute(node, "antialias", 0) != 0) {
        return builder.unsupported(node, "has antialias 1", "resize without antialiasing");
    }
    const std::string place =
        graph.string_attribute(node, "coordinate_transformation_mode", "half_pixel");
    if (std::isnan(source_place(place, 0, 1, 1, 1))) {
        return builder.unsupported(node, "has coordinate_transformation_mode '" + place + "'",
                                   "use half_pixel, pytorch_half_pixel, align_corners or "
                                   "asymmetric");
    }
    const std::string rounding = graph.string_attribute(node, "nearest_mode", "round_prefer_floor");
    if (std::isnan(round_place(rounding, 0))) {
        return builder.unsupported(node, "has nearest_mode '" + rounding + "'",
                                   "use round_prefer_floor, round_prefer_ceil, floor or ceil");
    }
    return builder.unsupported(node,
                               "resizes " + to_string(from) + " to " +
                                   to_string(graph.values[std::size_t(node.outputs[0])].shape) +
                                   ", by other scales than 1 of the batch or the channels",
                               "resize rows and columns alone");
}

}  // namespace

Status lower_resize(Builder& builder, const Node& node) {
    const Layout& x = builder.layout(node.inputs[0]);
    const Shape& from = builder.graph.values[std::size_t(node.inputs[0])].shape;
    const Shape& to = builder.graph.values[std::size_t(node.outputs[0])].shape;
    const auto kernel = builder.kernel(node, Algorithm::resize);
    if (!kernel.ok()) {
        return kernel.status();
    }
    std::optional<Taps> rows, columns;
    if (x.is_picture() && builder.graph.int_attribute(node, "antialias", 0) == 0) {
        const auto scales = resize_scales(builder.graph, node, from, to);
        // A scale near 1 keeps an extent, and yet moves its elements.
        if (scales[0] == 1 && scales[1] == 1) {
            rows = resize_taps(builder.graph, node, scales[2], from[2], to[2]);
            columns = resize_taps(builder.graph, node, scales[3], from[3], to[3]);
        }
    }
    if (!rows || !columns) {
        return cannot_resize(builder, node);
    }
    const std::int64_t channels = common_channels(x, builder.channel_pitch(x.channels()));
    const Layout& y =
        builder.allocate(node, channels != x.channels() || x.channels() % builder.lanes == 0);
    const auto axes = [](std::int64_t out) { return std::vector<Axis>{{out, 1}, {2, out}}; };
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = pool_shape(x, y);
    step.work = 4 * y.channels() * y.height() * y.width();
    step.arguments = {pixels(x, channels),
                      builder.constants.add_ints(columns->sources, axes(to[3])),
                      builder.constants.add_floats(columns->weights, axes(to[3])),
                      builder.constants.add_ints(rows->sources, axes(to[2])),
                      builder.constants.add_floats(rows->weights, axes(to[2])),
                      pixels(y, channels)};
    step.split = {to[2], {{3, 0, 1}, {4, 0, 1}, {5, 2, 1}}, -1};
    builder.emit(std::move(step));
    return {};
}

}  // namespace sluice
