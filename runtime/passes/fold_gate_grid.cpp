#include <algorithm>

#include "graph/shapes.h"
#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// Winograd's F(4x4, 3x3) computes as many outputs at once: what a gate of that grid skips, it
/// skips.
constexpr std::int64_t grid = 4;

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

/// Whether a Resize repeats every value `grid` times along y and along x.
bool enlarges(const Graph& graph, const Node& node) {
    if (node.op != Op::resize || graph.string_attribute(node, "mode", "nearest") != "nearest") {
        return false;
    }
    const Shape& from = graph.values[std::size_t(node.inputs[0])].shape;
    const Shape& to = graph.values[std::size_t(node.outputs[0])].shape;
    const std::string place =
        graph.string_attribute(node, "coordinate_transformation_mode", "half_pixel");
    const std::string rounding = graph.string_attribute(node, "nearest_mode", "round_prefer_floor");
    const bool has_scales = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Constant* scales = has_scales ? graph.constant(node.inputs[2]) : nullptr;
    const bool whole_scales =
        scales == nullptr || !scales->is_float() ||
        std::all_of(scales->floats().begin(), scales->floats().end(),
                    [](float scale) { return scale == 1 || scale == float(grid); });
    return from.size() == 4 && to == Shape{from[0], from[1], grid * from[2], grid * from[3]} &&
           whole_scales && node.inputs[0] != no_value &&
           ((place == "asymmetric" && rounding == "floor") ||
            (place == "half_pixel" && rounding == "round_prefer_floor"));
}

/// The map that a gate enlarges; no_value where it is none.
ValueId small_map(const Links& links, ValueId gate) {
    const Graph& graph = links.graph();
    const Node* node = links.producer(gate);
    if (node != nullptr && cuts_the_end(graph, *node)) {
        node = links.producer(node->inputs[0]);
    }
    if (node == nullptr || !enlarges(graph, *node)) {
        return no_value;
    }
    const Shape& whole = graph.values[std::size_t(gate)].shape;
    const Shape& map = graph.values[std::size_t(node->inputs[0])].shape;
    const bool is_cut_inside =
        (whole[2] + grid - 1) / grid != map[2] || (whole[3] + grid - 1) / grid != map[3];
    return is_cut_inside || whole[0] != map[0] || whole[1] != map[1] ? no_value : node->inputs[0];
}

}  // namespace

Status fold_gate_grid(Graph& graph) {
    Links links(graph);
    for (Node& node : graph.nodes) {
        if (node.op != Op::fused_conv || node.fused_conv->gate != GateForm::position) {
            continue;
        }
        const ValueId map = small_map(links, node.inputs[1]);
        if (map != no_value) {
            links.set_input(node, 1, map);
            node.fused_conv->gate_grid = grid;
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
