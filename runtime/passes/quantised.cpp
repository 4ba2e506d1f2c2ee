#include "passes/quantised.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "passes/edit.h"
#include "passes/quantise_constant.h"

namespace sluice {
namespace {

float value_of(const Quantization& quantization, int number) {
    return float(number - quantization.zero_point) * quantization.scale;
}

bool is_nearest(const Graph& graph, const Node& node) {
    return graph.string_attribute(node, "mode", "nearest") == "nearest" &&
           graph.string_attribute(node, "coordinate_transformation_mode", "half_pixel") !=
               "tf_crop_and_resize";
}

/// The one float that a Pad puts around its input; none where there is none, or several.
std::optional<float> border_of(const Graph& graph, const Node& node) {
    if (node.inputs.size() < 3 || node.inputs[2] == no_value) {
        return 0.0F;
    }
    const Constant* value = graph.constant(node.inputs[2]);
    const bool is_one = value != nullptr && value->is_float() && value->floats().size() == 1;
    return is_one ? std::optional(value->floats()[0]) : std::nullopt;
}

std::optional<Quantization> grid_of_copy(const Graph& graph, const Node& node, const Grids& grids) {
    const auto& grid = grids[std::size_t(node.inputs[0])];
    for (std::size_t i = 1; i < copied_inputs(node); ++i) {
        if (grids[std::size_t(node.inputs[i])] != grid) {
            return std::nullopt;
        }
    }
    if (grid && node.op == Op::pad &&
        graph.string_attribute(node, "mode", "constant") == "constant") {
        const auto border = border_of(graph, node);
        return border && is_exact(*grid, *border) ? grid : std::nullopt;
    }
    return grid;
}

std::optional<Quantization> grid_of(const Graph& graph, const Node& node, const Grids& grids) {
    switch (node.op) {
        case Op::fake_quantize:
        case Op::dequantize_linear:
            return node.quantization;
        case Op::fused_conv:
        case Op::gemm:
            return node.fused_conv ? node.fused_conv->output_rounding : std::nullopt;
        case Op::affine: {
            const auto& grid = grids[std::size_t(node.inputs[0])];
            const bool only_clamps =
                all_equal(node.affine->scale, 1) && all_equal(node.affine->shift, 0);
            return grid && only_clamps && may_precede(node.affine->clamp, *grid) ? grid
                                                                                 : std::nullopt;
        }
        default:
            return is_copy(graph, node) ? grid_of_copy(graph, node, grids) : std::nullopt;
    }
}

}  // namespace

bool is_copy(const Graph& graph, const Node& node) {
    switch (node.op) {
        case Op::concat:
        case Op::depth_to_space:
        case Op::expand:
        case Op::flatten:
        case Op::identity:
        case Op::max_pool:
        case Op::pad:
        case Op::reshape:
        case Op::slice:
        case Op::space_to_depth:
        case Op::squeeze:
        case Op::transpose:
        case Op::unsqueeze:
            return true;
        case Op::resize:
            return is_nearest(graph, node);
        default:
            return false;
    }
}

bool copies_bytes(const Graph& graph, const Node& node) {
    return is_byte(graph.values[std::size_t(node.outputs[0])]) &&
           (is_copy(graph, node) || node.op == Op::clip);
}

Clamp range_of(const Quantization& quantization) {
    return {value_of(quantization, 0), value_of(quantization, 255)};
}

bool is_exact(const Quantization& quantization, float value) {
    const Clamp range = range_of(quantization);
    if (!(value >= range.low && value <= range.high)) {
        return false;
    }
    const int number = int(std::nearbyint(value / quantization.scale)) + quantization.zero_point;
    return value_of(quantization, number) == value;
}

bool may_precede(const Clamp& clamp, const Quantization& quantization) {
    const Clamp range = range_of(quantization);
    return clamp.low <= clamp.high &&
           (clamp.low <= range.low || is_exact(quantization, clamp.low)) &&
           (clamp.high >= range.high || is_exact(quantization, clamp.high));
}

bool is_implied(const Clamp& clamp, const Quantization& quantization) {
    const Clamp range = range_of(quantization);
    return clamp.low <= range.low && clamp.high >= range.high;
}

Grids grids_of(const Graph& graph) {
    Grids grids(graph.values.size());
    for (const Node& node : graph.nodes) {
        if (!node.inputs.empty() && node.inputs[0] != no_value) {
            grids[std::size_t(node.outputs[0])] = grid_of(graph, node, grids);
        }
    }
    return grids;
}

std::vector<const Node*> weight_dequantizers(const Graph& graph) {
    std::vector<const Node*> nodes(graph.values.size(), nullptr);
    for (const Node& node : graph.nodes) {
        if (node.op == Op::dequantize_linear && graph.constant(node.inputs[0]) != nullptr) {
            nodes[std::size_t(node.outputs[0])] = &node;
        }
    }
    return nodes;
}

Status dequantize_weights(Graph& graph, const Node& dequantize) {
    auto constant = dequantize_constant(graph, dequantize);
    if (!constant.ok()) {
        return constant.status();
    }
    graph.values[std::size_t(dequantize.outputs[0])].constant =
        std::make_shared<const Constant>(std::move(constant).value());
    return {};
}

}  // namespace sluice
