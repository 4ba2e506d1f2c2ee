#include <algorithm>
#include <array>
#include <cmath>

#include "graph/shapes.h"
#include "plan/arrange.h"
#include "plan/lower.h"

namespace sluice {
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
    if (mode == "tf_half_pixel_for_nn") {
        return (place + 0.5F) / scale;
    }
    const float half = (place + 0.5F) / scale - 0.5F;
    if (mode == "half_pixel_symmetric") {
        // Both ends are as far from the image's.
        const float whole = scale * float(in);
        return float(in) / 2 * (1 - float(out) / whole) + half;
    }
    return mode == "half_pixel" || mode == "pytorch_half_pixel" ? half : std::nanf("");
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

/// The four sources of each output along an axis, [4][out], and their weights: Keys' cubic of the
/// coefficient that the node states. Beyond the edges lie the edges, or nothing.
std::optional<Taps> cubic_taps(const Graph& graph, const Node& node, float scale, std::int64_t in,
                               std::int64_t out) {
    constexpr std::int64_t count = 4;
    const std::string mode =
        graph.string_attribute(node, "coordinate_transformation_mode", "half_pixel");
    const float a = graph.float_attribute(node, "cubic_coeff_a", -0.75F);
    const bool excludes = graph.int_attribute(node, "exclude_outside", 0) != 0;
    Taps taps{std::vector<std::int32_t>(std::size_t(count * out)),
              std::vector<float>(std::size_t(count * out))};
    for (std::int64_t i = 0; i < out; ++i) {
        const float at = source_place(mode, float(i), scale, in, out);
        if (std::isnan(at)) {
            return std::nullopt;
        }
        const float low = std::floor(at), s = at - low;
        const auto near = [a](float x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
        const auto far = [a](float x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
        float weights[count] = {far(s + 1), near(s), near(1 - s), far(2 - s)};
        float sum = 0;
        for (std::int64_t t = 0; t < count; ++t) {
            const double source = double(low) + double(t) - 1;
            const bool is_outside = source < 0 || source > double(in - 1);
            weights[t] = excludes && is_outside ? 0 : weights[t];
            sum += weights[t];
            taps.sources[std::size_t(t * out + i)] =
                std::int32_t(std::clamp(source, 0.0, double(in - 1)));
        }
        for (std::int64_t t = 0; t < count; ++t) {
            taps.weights[std::size_t(t * out + i)] = excludes ? weights[t] / sum : weights[t];
        }
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

Status cannot_resize(const Planner& planner, const Node& node) {
    const Graph& graph = planner.graph;
    const Shape& from = graph.values[std::size_t(node.inputs[0])].shape;
    if (!planner.layout(node.inputs[0]).is_image()) {
        return planner.unsupported(node,
                                   "resizes " + to_string(from) + ", which is no [N, C, H, W]",
                                   "resize two-dimensional images");
    }
    if (graph.int_attribute(node, "antialias", 0) != 0) {
        return planner.unsupported(node, "has antialias 1", "resize without antialiasing");
    }
    const std::string place =
        graph.string_attribute(node, "coordinate_transformation_mode", "half_pixel");
    if (std::isnan(source_place(place, 0, 1, 1, 1))) {
        return planner.unsupported(node, "has coordinate_transformation_mode '" + place + "'",
                                   "use half_pixel, half_pixel_symmetric, pytorch_half_pixel, "
                                   "align_corners or asymmetric");
    }
    const std::string rounding = graph.string_attribute(node, "nearest_mode", "round_prefer_floor");
    if (std::isnan(round_place(rounding, 0))) {
        return planner.unsupported(node, "has nearest_mode '" + rounding + "'",
                                   "use round_prefer_floor, round_prefer_ceil, floor or ceil");
    }
    return planner.unsupported(node,
                               "resizes " + to_string(from) + " to " +
                                   to_string(graph.values[std::size_t(node.outputs[0])].shape) +
                                   ", by other scales than 1 of the batch or the channels",
                               "resize rows and columns alone");
}

/// Of bytes, which the passes leave so for nearest interpolation alone: the first source of each.
Step nearest_step(Planner& planner, const Node& node, const Taps& rows, const Taps& columns,
                  std::int64_t channels, const Layout& y) {
    const Layout& x = planner.layout(node.inputs[0]);
    const auto sources = [&planner](const Taps& taps) {
        const std::size_t count = taps.sources.size() / 2;
        return planner.constants.add_ints({taps.sources.data(), count}, {{std::int64_t(count), 1}});
    };
    using Call = Int8ResizeCall<Buffer>;
    Step step;
    step.kernel = planner.kernel(Algorithm::int8_resize);
    step.node = node.name;
    step.shape = extents_of(x) + " -> " + extents_of(y);
    step.work = y.channels() * y.height() * y.width();
    set_call(step, Call{.input = pixels(x, channels),
                        .columns = sources(columns),
                        .rows = sources(rows),
                        .output = pixels(y, channels)});
    step.split = {y.height(), {along(&Call::rows, 0, 1), along(&Call::output, 2, 1)}, -1};
    return step;
}

/// Of floats, without its kernel: a blend of the sources.
template <typename Call>
Step blend_step(Planner& planner, const Node& node, const Taps& rows, const Taps& columns,
                std::int64_t channels, const Layout& y) {
    const Layout& x = planner.layout(node.inputs[0]);
    const std::int64_t taps = std::int64_t(rows.sources.size()) / y.height();
    const auto axes = [taps](std::int64_t out) { return std::vector<Axis>{{out, 1}, {taps, out}}; };
    const auto row_axes = axes(y.height()), column_axes = axes(y.width());
    Step step;
    step.node = node.name;
    step.shape = extents_of(x) + " -> " + extents_of(y);
    step.work = taps * taps * y.channels() * y.height() * y.width();
    set_call(step,
             Call{.input = pixels(x, channels),
                  .columns = planner.constants.add_ints(columns.sources, column_axes),
                  .column_weights = planner.constants.add_floats(columns.weights, column_axes),
                  .rows = planner.constants.add_ints(rows.sources, row_axes),
                  .row_weights = planner.constants.add_floats(rows.weights, row_axes),
                  .output = pixels(y, channels)});
    step.split = {
        y.height(),
        {along(&Call::rows, 0, 1), along(&Call::row_weights, 0, 1), along(&Call::output, 2, 1)},
        -1};
    return step;
}

}  // namespace

Result<Lowered> lower_resize(Planner& planner, const Node& node) {
    const Graph& graph = planner.graph;
    const Layout& x = planner.layout(node.inputs[0]);
    const Shape& from = graph.values[std::size_t(node.inputs[0])].shape;
    const Shape& to = graph.values[std::size_t(node.outputs[0])].shape;
    const bool is_cubic = graph.string_attribute(node, "mode", "nearest") == "cubic";
    std::optional<Taps> rows, columns;
    if (x.is_image() && graph.int_attribute(node, "antialias", 0) == 0) {
        const auto scales = resize_scales(graph, node, from, to);
        // A scale near 1 keeps an extent, and yet moves its elements.
        if (scales[0] == 1 && scales[1] == 1) {
            const auto taps = is_cubic ? cubic_taps : resize_taps;
            rows = taps(graph, node, scales[2], from[2], to[2]);
            columns = taps(graph, node, scales[3], from[3], to[3]);
        }
    }
    if (!rows || !columns) {
        return cannot_resize(planner, node);
    }
    const std::int64_t channels = common_channels(planner, x);
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, writes_all_lanes(planner, x, channels));
    const Layout& y = lowered.output;
    if (x.type == ElementType::uint8) {
        lowered.steps.push_back(nearest_step(planner, node, *rows, *columns, channels, y));
    } else if (is_cubic) {
        lowered.steps.push_back(
            blend_step<CubicResizeCall<Buffer>>(planner, node, *rows, *columns, channels, y));
        lowered.steps.back().kernel = planner.kernel(Algorithm::cubic_resize);
    } else {
        lowered.steps.push_back(
            blend_step<ResizeCall<Buffer>>(planner, node, *rows, *columns, channels, y));
        lowered.steps.back().kernel = planner.kernel(Algorithm::resize);
    }
    return lowered;
}

}  // namespace sluice
