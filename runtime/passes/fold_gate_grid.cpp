#include <algorithm>

#include "graph/shapes.h"
#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// Whether a Slice keeps the first rows and columns.
bool cuts_the_end(const Graph& graph, const Node& node) {
    if (node.op != Op::slice) {
        return false;
    }
    const auto ranges = slice_ranges(graph, node);
    return ranges.ok() && std::all_of(ranges->begin(), ranges->end(), [](const SliceRange& range) {
               return range.start == 0 && range.step == 1;
           });
}

/// What a node between a gate and a smaller map repeats: `map`, each value side x side times.
struct Grid {
    ValueId map = no_value;  ///< none where the node does something else
    std::int64_t side = 1;
};

/// Whether the scales of a Resize, where it has any, are those of its extents, not somewhat more.
bool has_whole_scales(const Graph& graph, const Node& node, std::int64_t side) {
    const bool has_scales = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Constant* scales = has_scales ? graph.constant(node.inputs[2]) : nullptr;
    return scales == nullptr || !scales->is_float() ||
           std::all_of(scales->floats().begin(), scales->floats().end(),
                       [side](float scale) { return scale == 1 || scale == float(side); });
}

/// Whether the places that a Resize takes its values from are those of a repetition.
bool repeats_values(const Graph& graph, const Node& node) {
    const std::string place =
        graph.string_attribute(node, "coordinate_transformation_mode", "half_pixel");
    const std::string rounding = graph.string_attribute(node, "nearest_mode", "round_prefer_floor");
    return graph.string_attribute(node, "mode", "nearest") == "nearest" &&
           ((place == "asymmetric" && rounding == "floor") ||
            (place == "half_pixel" && rounding == "round_prefer_floor"));
}

/// A Resize that repeats every value as often along y as along x, or one value for a whole map.
Grid repeated_by(const Graph& graph, const Node& node) {
    if (node.op != Op::resize || !repeats_values(graph, node)) {
        return {};
    }
    const Shape& from = shape_of(graph, node.inputs[0]);
    const Shape& to = shape_of(graph, node.outputs[0]);
    if (from.size() != 4 || to.size() != 4 || from[0] != to[0] || from[1] != to[1] || from[2] < 1) {
        return {};
    }
    if (from[2] == 1 && from[3] == 1) {
        return {node.inputs[0], std::max(to[2], to[3])};
    }
    const std::int64_t side = to[2] / from[2];
    const bool is_even = to[2] == side * from[2] && to[3] == side * from[3];
    return is_even && has_whole_scales(graph, node, side) ? Grid{node.inputs[0], side} : Grid{};
}

/// The map whose values a gate repeats, through enlargements of enlargements, each perhaps cut to
/// the extents of a layer.
Grid grid_of(const Links& links, ValueId gate) {
    const Graph& graph = links.graph();
    const Shape& whole = shape_of(graph, gate);
    Grid found{gate, 1};
    while (true) {
        const Node* node = links.producer(found.map);
        if (node != nullptr && cuts_the_end(graph, *node)) {
            node = links.producer(node->inputs[0]);
        }
        const Grid next = node == nullptr ? Grid{} : repeated_by(graph, *node);
        if (next.map == no_value || next.side < 2) {
            return found;
        }
        const std::int64_t side = found.side * next.side;
        const Shape small = {whole[0], whole[1], (whole[2] + side - 1) / side,
                             (whole[3] + side - 1) / side};
        if (shape_of(graph, next.map) != small) {
            return found;  // the first rows or columns are cut off, or whole values of the map
        }
        found = {next.map, side};
    }
}

}  // namespace

Status fold_gate_grid(Graph& graph) {
    Links links(graph);
    for (Node& node : graph.nodes) {
        const bool may_repeat = node.op == Op::fused_conv &&
                                node.fused_conv->gate == GateForm::position &&
                                node.fused_conv->gate_grid == 1;
        const Grid grid = may_repeat ? grid_of(links, node.inputs[1]) : Grid{};
        if (grid.side > 1) {
            links.set_input(node, 1, grid.map);
            node.fused_conv->gate_grid = grid.side;
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
