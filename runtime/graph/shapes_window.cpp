#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

#include "graph/shape_rules.h"

namespace sluice::shape_rules {

namespace {

constexpr std::int64_t max_extent = 1 << 24;

struct Window {
    std::vector<std::int64_t> kernel, strides, dilations, pads;
    std::string auto_pad;
    bool ceil_mode = false;
};

constexpr std::string_view known_auto_pads[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};

bool all_between(const std::vector<std::int64_t>& numbers, std::int64_t low) {
    return std::all_of(numbers.begin(), numbers.end(),
                       [&](std::int64_t n) { return n >= low && n <= max_extent; });
}

Result<Window> read_window(const Graph& graph, const Node& node, const Shape& x, Window window) {
    const std::size_t axes = x.size() - 2;
    window.strides = graph.ints_attribute(node, "strides", std::vector<std::int64_t>(axes, 1));
    window.dilations = graph.ints_attribute(node, "dilations", std::vector<std::int64_t>(axes, 1));
    window.pads = graph.ints_attribute(node, "pads", std::vector<std::int64_t>(2 * axes, 0));
    window.auto_pad = graph.string_attribute(node, "auto_pad", "NOTSET");
    window.ceil_mode = graph.int_attribute(node, "ceil_mode", 0) != 0;
    if (std::ranges::find(known_auto_pads, window.auto_pad) == std::end(known_auto_pads)) {
        return error_at(graph, node,
                        "has auto_pad '" + window.auto_pad + "', which ONNX does not define",
                        "export the model again");
    }
    const struct {
        const char* name;
        const std::vector<std::int64_t>& numbers;
        std::size_t count;
        std::int64_t least;
    } lists[] = {{"a kernel", window.kernel, axes, 1},
                 {"strides", window.strides, axes, 1},
                 {"dilations", window.dilations, axes, 1},
                 {"pads", window.pads, 2 * axes, 0}};
    for (const auto& list : lists) {
        if (list.numbers.size() != list.count || !all_between(list.numbers, list.least)) {
            return error_at(graph, node,
                            std::string("has ") + list.name + " " + to_string(list.numbers) +
                                ", not " + std::to_string(list.count) + " numbers from " +
                                std::to_string(list.least) + " to " + std::to_string(max_extent),
                            "export the model again");
        }
    }
    return window;
}

bool is_same(const Window& window) {
    return window.auto_pad == "SAME_UPPER" || window.auto_pad == "SAME_LOWER";
}

/// Whether ONNX's formula for auto_pad pads an axis by less than nothing at its start: strides
/// beyond the kernel leave elements over, of which ONNX Runtime skips some there and TensorFlow
/// none.
bool crops_before(const Window& window, std::size_t axis, std::int64_t extent, std::int64_t count) {
    const std::int64_t reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    const std::int64_t total = (count - 1) * window.strides[axis] + reach - extent;
    return is_same(window) && (window.auto_pad == "SAME_UPPER" ? total : total + 1) / 2 < 0;
}

std::int64_t output_extent(const Window& window, std::size_t axis, std::int64_t extent) {
    const std::size_t axes = window.kernel.size();
    const std::int64_t stride = window.strides[axis];
    if (is_same(window)) {
        return (extent + stride - 1) / stride;
    }
    const bool is_padded = window.auto_pad != "VALID";
    const std::int64_t before = is_padded ? window.pads[axis] : 0;
    const std::int64_t after = is_padded ? window.pads[axis + axes] : 0;
    const std::int64_t reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    const std::int64_t room = extent + before + after - reach;
    if (room < 0) {
        return window.ceil_mode && -room < stride && extent > 0 ? 1 : 0;
    }
    std::int64_t count = room / stride + 1;
    // A cut-off last window counts unless it starts in the padding behind the input.
    if (window.ceil_mode && room % stride != 0 && count * stride < extent + before) {
        ++count;
    }
    return count;
}

Result<Shape> slide(const Graph& graph, const Node& node, Window window, std::int64_t channels) {
    const Shape& x = input_shape(graph, node, 0);
    Result<Window> read = read_window(graph, node, x, std::move(window));
    if (!read.ok()) {
        return read.status();
    }
    Shape shape = {x[0], channels};
    for (std::size_t axis = 0; axis + 2 < x.size(); ++axis) {
        shape.push_back(output_extent(read.value(), axis, x[axis + 2]));
        if (crops_before(read.value(), axis, x[axis + 2], shape.back())) {
            return error_at(graph, node,
                            "has auto_pad '" + read.value().auto_pad + "', which crops " +
                                to_string(x) + " by strides " + to_string(read.value().strides),
                            "export with the pads that are meant: engines disagree");
        }
        if (shape.back() < 1) {
            return error_at(graph, node,
                            "has a kernel " + to_string(read.value().kernel) +
                                " larger than its input " + to_string(x) + " with its padding",
                            "export with a larger image");
        }
    }
    return shape;
}

Status check_image(const Graph& graph, const Node& node) {
    if (input_shape(graph, node, 0).size() < 3) {
        return error_at(graph, node,
                        "needs [N, C, H, W], not " + to_string(input_shape(graph, node, 0)),
                        "export the model again");
    }
    return {};
}

}  // namespace

Result<Shape> conv(const Graph& graph, const Node& node) {
    SLUICE_RETURN_IF_ERROR(check_image(graph, node));
    const Shape& x = input_shape(graph, node, 0);
    const Shape& weights = input_shape(graph, node, 1);
    const std::int64_t group = graph.int_attribute(node, "group", 1);
    if (weights.size() != x.size() || group < 1 || x[1] % group != 0 ||
        weights[1] != x[1] / group || weights[0] % group != 0) {
        return error_at(graph, node,
                        "has weights " + to_string(weights) + " in " + std::to_string(group) +
                            " groups, which do not fit its input " + to_string(x),
                        "export the model again");
    }
    if (has_input(node, 2) && input_shape(graph, node, 2) != Shape{weights[0]}) {
        return error_at(graph, node,
                        "has a bias " + to_string(input_shape(graph, node, 2)) + " for " +
                            std::to_string(weights[0]) + " channels",
                        "export the model again");
    }
    Window window;
    window.kernel.assign(weights.begin() + 2, weights.end());
    return slide(graph, node, std::move(window), weights[0]);
}

namespace {

Status does_not_transpose(const Graph& graph, const Node& node, const std::string& what) {
    return error_at(graph, node, what, "export the model again");
}

/// What a transposed window leaves out at both ends of an axis together, where the output's extent
/// is given.
std::int64_t cropped(const Window& window, std::size_t axis, std::int64_t extent, std::int64_t more,
                     std::int64_t output) {
    const std::int64_t reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    return (extent - 1) * window.strides[axis] + reach + more - output;
}

/// Extents of the output along the axes of the image.
Result<Shape> spread(const Graph& graph, const Node& node, const Window& window, const Shape& x) {
    const std::size_t axes = window.kernel.size();
    const Shape more = graph.ints_attribute(node, "output_padding", Shape(axes, 0));
    const Shape given = graph.ints_attribute(node, "output_shape", {});
    if (more.size() != axes || (!given.empty() && given.size() != axes) || !all_between(given, 1)) {
        return does_not_transpose(graph, node,
                                  "has output_padding " + to_string(more) + " and output_shape " +
                                      to_string(given) + " for " + std::to_string(axes) + " axes");
    }
    Shape shape;
    for (std::size_t axis = 0; axis < axes; ++axis) {
        const std::int64_t extent = x[axis + 2], stride = window.strides[axis];
        if (more[axis] < 0 || more[axis] >= std::max(stride, window.dilations[axis])) {
            return does_not_transpose(graph, node,
                                      "has output_padding " + to_string(more) + ", which strides " +
                                          to_string(window.strides) + " do not leave room for");
        }
        const bool is_padded = window.auto_pad == "NOTSET" && given.empty();
        const std::int64_t pads = is_padded ? window.pads[axis] + window.pads[axis + axes] : 0;
        shape.push_back(!given.empty()    ? given[axis]
                        : is_same(window) ? extent * stride
                                          : cropped(window, axis, extent, more[axis], pads));
        // Where the extent is given, engines disagree on what lies beyond the windows.
        if (shape.back() < 1 || cropped(window, axis, extent, more[axis], shape.back()) < 0) {
            return does_not_transpose(graph, node,
                                      "spreads " + to_string(x) + " to " + to_string(shape) +
                                          ", which its windows do not cover");
        }
    }
    return shape;
}

}  // namespace

Result<Shape> conv_transpose(const Graph& graph, const Node& node) {
    SLUICE_RETURN_IF_ERROR(check_image(graph, node));
    const Shape& x = input_shape(graph, node, 0);
    const Shape& weights = input_shape(graph, node, 1);
    const std::int64_t group = graph.int_attribute(node, "group", 1);
    if (weights.size() != x.size() || group < 1 || x[1] % group != 0 || weights[0] != x[1]) {
        return does_not_transpose(graph, node,
                                  "has weights " + to_string(weights) + " in " +
                                      std::to_string(group) +
                                      " groups, which do not fit its input " + to_string(x));
    }
    const std::int64_t channels = weights[1] * group;
    if (has_input(node, 2) && input_shape(graph, node, 2) != Shape{channels}) {
        return does_not_transpose(graph, node,
                                  "has a bias " + to_string(input_shape(graph, node, 2)) + " for " +
                                      std::to_string(channels) + " channels");
    }
    Window window;
    window.kernel.assign(weights.begin() + 2, weights.end());
    const Result<Window> read = read_window(graph, node, x, std::move(window));
    if (!read.ok()) {
        return read.status();
    }
    const Result<Shape> image = spread(graph, node, read.value(), x);
    if (!image.ok()) {
        return image.status();
    }
    Shape shape = {x[0], channels};
    shape.insert(shape.end(), image->begin(), image->end());
    return shape;
}

Result<Shape> pool(const Graph& graph, const Node& node) {
    SLUICE_RETURN_IF_ERROR(check_image(graph, node));
    Window window;
    window.kernel = graph.ints_attribute(node, "kernel_shape", {});
    return slide(graph, node, std::move(window), input_shape(graph, node, 0)[1]);
}

Result<Shape> global_pool(const Graph& graph, const Node& node) {
    SLUICE_RETURN_IF_ERROR(check_image(graph, node));
    Shape shape = input_shape(graph, node, 0);
    std::fill(shape.begin() + 2, shape.end(), 1);
    return shape;
}

Result<Shape> resize(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const std::string mode = graph.string_attribute(node, "mode", "nearest");
    if (mode != "nearest" && mode != "linear" && mode != "cubic") {
        return error_at(graph, node, "resizes by mode '" + mode + "'",
                        "use nearest, linear or cubic");
    }
    const std::string policy = graph.string_attribute(node, "keep_aspect_ratio_policy", "stretch");
    if (policy != "stretch") {
        return error_at(graph, node, "keeps the aspect ratio by policy '" + policy + "'",
                        "resize to the sizes that this gives");
    }
    std::vector<std::int64_t> all_axes(x.size());
    for (std::size_t axis = 0; axis < x.size(); ++axis) {
        all_axes[axis] = std::int64_t(axis);
    }
    const auto axes = graph.ints_attribute(node, "axes", all_axes);
    const Constant* scales = has_input(node, 2) ? graph.constant(node.inputs[2]) : nullptr;
    const auto sizes = constant_ints(graph, node, 3);
    const bool has_scales = scales && scales->is_float() && !scales->floats().empty();
    const bool has_sizes = sizes && !sizes->empty();
    if (has_scales && has_sizes) {
        return error_at(graph, node, "has both scales and sizes", "export with one of them");
    }
    const bool by_scale = has_scales && scales->floats().size() == axes.size();
    if (!by_scale && !(has_sizes && sizes->size() == axes.size())) {
        return error_at(graph, node, "has neither constant scales nor sizes for its axes",
                        "export with constant ones, of fixed image extents");
    }
    Shape shape = x;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto axis = normalize_axis(axes[i], x.size());
        // In float32, as ONNX Runtime and PyTorch: 20 * 0.7 is 14.
        const double extent = !axis      ? 0
                              : by_scale ? std::floor(float(x[*axis]) * scales->floats()[i])
                                         : double((*sizes)[i]);
        if (!(extent >= 1 && extent <= double(max_extent))) {
            return !axis
                       ? no_such_axis(graph, node, axes[i])
                       : error_at(graph, node,
                                  "resizes " + to_string(x) +
                                      " to nothing or too much along axis " + std::to_string(*axis),
                                  "resize to extents from 1 to " + std::to_string(max_extent));
        }
        shape[*axis] = std::int64_t(extent);
    }
    return shape;
}

}  // namespace sluice::shape_rules
