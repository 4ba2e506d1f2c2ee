#include <algorithm>
#include <numeric>

#include "graph/shape_rules.h"

/// Of Split, Tile and the exchange of channels and positions.
namespace sluice {

namespace {

/// The extents of all parts of a Split.
Result<std::vector<std::int64_t>> split_extents(const Graph& graph, const Node& node,
                                                std::int64_t extent) {
    const std::int64_t parts = graph.int_attribute(node, "parts", 1);
    if (!shape_rules::has_input(node, 1)) {
        const std::int64_t each = (extent + parts - 1) / parts;
        // The last part is the smaller one, where they do not come out even.
        std::vector<std::int64_t> extents(std::size_t(parts), each);
        extents.back() = extent - each * (parts - 1);
        return extents.back() < 0
                   ? Result<std::vector<std::int64_t>>(shape_rules::does_not_fit(graph, node))
                   : extents;
    }
    auto extents = shape_rules::integers(graph, node, 1, "parts");
    if (!extents.ok()) {
        return extents.status();
    }
    std::int64_t left = extent;
    bool fits = std::int64_t(extents->size()) == parts;
    for (const std::int64_t part : extents.value()) {
        fits = fits && part >= 0 && part <= left;
        left -= fits ? part : 0;
    }
    if (!fits || left != 0) {
        return shape_rules::does_not_fit(graph, node);
    }
    return extents;
}

}  // namespace

Result<std::vector<SliceRange>> split_ranges(const Graph& graph, const Node& node) {
    const Shape& x = shape_rules::input_shape(graph, node, 0);
    const std::int64_t number = graph.int_attribute(node, "axis", 0);
    const auto axis = normalize_axis(number, x.size());
    if (!axis) {
        return shape_rules::no_such_axis(graph, node, number);
    }
    const auto extents = split_extents(graph, node, x[*axis]);
    if (!extents.ok()) {
        return extents.status();
    }
    std::vector<SliceRange> ranges;
    for (const std::int64_t extent : x) {
        ranges.push_back({0, 1, extent});
    }
    const auto part = extents->begin() + graph.int_attribute(node, "part", 0);
    ranges[*axis] = {std::accumulate(extents->begin(), part, std::int64_t{0}), 1, *part, false};
    return ranges;
}

namespace shape_rules {

namespace {

struct Blocks {
    const Shape& x;
    std::int64_t side;
};

Result<Blocks> blocks_of(const Graph& graph, const Node& node) {
    const Shape& x = input_shape(graph, node, 0);
    const std::int64_t side = graph.int_attribute(node, "blocksize", 0);
    if (x.size() != 4 || side < 1 || side > 1 << 12) {
        return error_at(graph, node,
                        "has blocks of " + std::to_string(side) + " and an input of " +
                            to_string(x) + ", which is no [N, C, H, W] or does not fit",
                        "export the model again");
    }
    return Blocks{x, side};
}

}  // namespace

Result<Shape> depth_to_space(const Graph& graph, const Node& node) {
    const auto blocks = blocks_of(graph, node);
    if (!blocks.ok()) {
        return blocks.status();
    }
    const auto& [x, side] = blocks.value();
    if (x[1] % (side * side) != 0) {
        return does_not_fit(graph, node);
    }
    return Shape{x[0], x[1] / (side * side), x[2] * side, x[3] * side};
}

Result<Shape> space_to_depth(const Graph& graph, const Node& node) {
    const auto blocks = blocks_of(graph, node);
    if (!blocks.ok()) {
        return blocks.status();
    }
    const auto& [x, side] = blocks.value();
    if (x[2] % side != 0 || x[3] % side != 0) {
        return does_not_fit(graph, node);
    }
    return Shape{x[0], x[1] * side * side, x[2] / side, x[3] / side};
}

Result<Shape> split(const Graph& graph, const Node& node) {
    const auto ranges = split_ranges(graph, node);
    if (!ranges.ok()) {
        return ranges.status();
    }
    Shape shape;
    for (const SliceRange& range : ranges.value()) {
        shape.push_back(range.count);
    }
    return shape;
}

Result<Shape> tile(const Graph& graph, const Node& node) {
    const auto repeats = integers(graph, node, 1, "repeats");
    if (!repeats.ok()) {
        return repeats.status();
    }
    Shape shape = input_shape(graph, node, 0);
    if (repeats->size() != shape.size()) {
        return does_not_fit(graph, node);
    }
    constexpr std::int64_t most = std::int64_t(1) << 31;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        const std::int64_t repeat = repeats.value()[axis];
        if (repeat < 0 || repeat > most) {
            return does_not_fit(graph, node);
        }
        shape[axis] *= repeat;
    }
    return shape;
}

}  // namespace shape_rules

}  // namespace sluice
