#include <algorithm>
#include <utility>

#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// A multiplication read as convolution times gate. `result` is the node whose output the gated
/// convolution takes over: the Mul, or the Reshape that ends a multiplication by blocks.
struct Match {
    ValueId conv = no_value;
    ValueId gate = no_value;
    Node* result = nullptr;
};

const Node* producer_of(const Links& links, ValueId id, Op op) {
    const Node* node = links.producer(id);
    return node != nullptr && node->op == op ? node : nullptr;
}

bool is_non_negative(const Clamp& clamp) { return clamp.low >= 0 && clamp.high >= 0; }

/// Of each value, whether no element is negative, as far as the nodes before it show.
using NonNegative = std::vector<bool>;

bool gives_non_negative(const NonNegative& known, const Node& node) {
    switch (node.op) {
        case Op::affine:
            return is_non_negative(node.affine->clamp);
        case Op::fused_conv: {
            const FusedConv& conv = *node.fused_conv;
            // Rounding keeps zero and what is above it there.
            return is_non_negative(last_clamp(node)) ||
                   (conv.output_rounding && conv.output_rounding->zero_point == 0);
        }
        case Op::fake_quantize:
        case Op::dequantize_linear:
            return node.quantization->zero_point == 0 ||
                   (node.op == Op::fake_quantize && known[std::size_t(node.inputs[0])]);
        case Op::resize:
        case Op::max_pool:
        case Op::reshape:
        case Op::expand:
        case Op::slice:
        case Op::transpose:
            return known[std::size_t(node.inputs[0])];
        default:
            return false;
    }
}

/// [N, G, 1, H, W] that was [N, G, H, W]: returns the latter.
ValueId before_unsqueeze(const Links& links, ValueId id) {
    const Node* reshape = producer_of(links, id, Op::reshape);
    const Shape& shape = shape_of(links.graph(), id);
    if (reshape == nullptr || shape.size() != 5 || shape[2] != 1) {
        return no_value;
    }
    const Shape flat = {shape[0], shape[1], shape[3], shape[4]};
    return shape_of(links.graph(), reshape->inputs[0]) == flat ? reshape->inputs[0] : no_value;
}

/// [N, G, H, W] of a gate repeated to [N, K, H, W] by Unsqueeze, Expand, Reshape; else `gate`.
ValueId before_repeat(const Links& links, ValueId gate) {
    const Node* reshape = producer_of(links, gate, Op::reshape);
    const Node* expand =
        reshape == nullptr ? nullptr : producer_of(links, reshape->inputs[0], Op::expand);
    const ValueId maps = expand == nullptr ? no_value : before_unsqueeze(links, expand->inputs[0]);
    if (maps == no_value) {
        return gate;
    }
    const Shape wide = shape_of(links.graph(), expand->outputs[0]);
    const Shape& narrow = shape_of(links.graph(), maps);
    const Shape& shape = shape_of(links.graph(), gate);
    const bool repeats_blocks = wide.size() == 5 && wide[1] == narrow[1] && shape.size() == 4 &&
                                shape[1] == wide[1] * wide[2] && shape[2] == narrow[2] &&
                                shape[3] == narrow[3];
    return repeats_blocks ? maps : gate;
}

/// One value for a whole map: a gate per block whose grain is the map has it, as [N, 1, 1, 1].
bool is_for_whole_map(const Shape& gate) { return gate == Shape{gate[0], 1, 1, 1}; }

/// What an Expand repeats over the channels or over the whole map; else `gate`.
ValueId before_expand(const Links& links, ValueId gate) {
    while (const Node* expand = producer_of(links, gate, Op::expand)) {
        const Shape& narrow = shape_of(links.graph(), expand->inputs[0]);
        const Shape& wide = shape_of(links.graph(), gate);
        const bool has_maps = narrow.size() == 4 && wide.size() == 4 && narrow[0] == wide[0];
        const Shape one_map = has_maps ? Shape{wide[0], 1, wide[2], wide[3]} : Shape{};
        if (!has_maps || (narrow != one_map && !is_for_whole_map(narrow))) {
            break;
        }
        gate = expand->inputs[0];
    }
    return gate;
}

/// y.reshape(N, G, K/G, H, W) * g.unsqueeze(2), reshaped back: conv no_value where it is not.
Match match_blocks(const Links& links, const Node& mul, std::size_t side) {
    const Node* split = producer_of(links, mul.inputs[side], Op::reshape);
    const ValueId maps = before_unsqueeze(links, mul.inputs[1 - side]);
    Node* join = links.sole_reader(mul.outputs[0]);
    if (split == nullptr || maps == no_value || join == nullptr || join->op != Op::reshape ||
        links.consumer_count(split->outputs[0]) != 1) {
        return {};
    }
    const Graph& graph = links.graph();
    const Shape& whole = shape_of(graph, split->inputs[0]);
    const Shape& blocks = shape_of(graph, mul.outputs[0]);
    const Shape& narrow = shape_of(graph, maps);
    const Shape by_group = {narrow[0], narrow[1], blocks[2], narrow[2], narrow[3]};
    const bool fits = whole.size() == 4 && shape_of(graph, join->outputs[0]) == whole &&
                      shape_of(graph, split->outputs[0]) == by_group && blocks == by_group;
    return fits ? Match{split->inputs[0], maps, join} : Match{};
}

Match match_side(const Links& links, Node& mul, std::size_t side) {
    if (shape_of(links.graph(), mul.outputs[0]).size() == 5) {
        return match_blocks(links, mul, side);
    }
    const ValueId gate = before_expand(links, mul.inputs[1 - side]);
    return {mul.inputs[side], before_repeat(links, gate), &mul};
}

/// Why a match is no gate; empty where it is one.
std::string obstacle(const Links& links, const NonNegative& known, const Node& mul,
                     const Match& match) {
    const Graph& graph = links.graph();
    const Node* node = links.producer(match.conv);
    if (node == nullptr || node->op != Op::fused_conv) {
        return "neither factor is a convolution";
    }
    if (links.consumer_count(match.conv) != 1) {
        return "the convolution's ungated output is read elsewhere";
    }
    const FusedConv& conv = *node->fused_conv;
    if (conv.is_transposed()) {
        return "the convolution is transposed";
    }
    if (conv.gate != GateForm::none || node->inputs[2] != no_value || !conv.post.is_none() ||
        !all_equal(conv.shift, 0) || (conv.output_rounding && !all_equal(conv.scale, 1))) {
        return "more than an activation lies between the convolution and the product";
    }
    if (conv.output_rounding && conv.after_gate) {
        return "several roundings lie between the convolution and the product";
    }
    if ((!conv.is_quantised() && !all_finite(conv.weights->floats())) || !all_finite(conv.bias)) {
        return "the convolution's weights are not finite, which a gate of zero would hide";
    }
    const Shape& y = shape_of(graph, match.conv);
    const Shape& g = shape_of(graph, match.gate);
    const bool has_maps = g.size() == 4 && g[0] == y[0] && y[1] % g[1] == 0;
    if (shape_of(graph, match.result->outputs[0]) != y || !has_maps ||
        ((g[2] != y[2] || g[3] != y[3]) && !is_for_whole_map(g))) {
        return "the factors " + to_string(y) + " and " + to_string(g) + " do not match as a gate";
    }
    if (g[1] != 1 && g[1] != y[1] && match.result == &mul &&
        before_repeat(links, mul.inputs[0]) != match.gate &&
        before_repeat(links, mul.inputs[1]) != match.gate) {
        return "the gate's maps are not repeated by blocks";
    }
    return known[std::size_t(match.gate)] ? "" : "the gate is not clamped at zero";
}

bool comes_from_pointwise(const Links& links, ValueId id) {
    const Node* node = producer_of(links, id, Op::fused_conv);
    return node != nullptr && node->fused_conv->weights->shape[2] == 1 &&
           node->fused_conv->weights->shape[3] == 1;
}

void apply(Links& links, const Match& match) {
    Node& node = *links.producer(match.conv);
    const Shape gate = shape_of(links.graph(), match.gate);
    const Shape y = shape_of(links.graph(), match.conv);
    links.set_input(node, 1, match.gate);
    FusedConv& conv = *node.fused_conv;
    auto& rounding = conv.output_rounding ? conv.output_rounding : conv.after_gate;
    conv.after_act = std::exchange(rounding, std::nullopt);
    conv.gate = gate[1] == 1      ? GateForm::position
                : gate[1] == y[1] ? GateForm::element
                                  : GateForm::group;
    conv.gate_grid = is_for_whole_map(gate) ? std::max(y[2], y[3]) : 1;
    links.move_into(node, *match.result);
}

/// The reading of a Mul as a gate; `remark` says why there is none.
std::optional<Match> choose(const Links& links, const NonNegative& known, Node& mul,
                            std::string& remark) {
    const Match sides[2] = {match_side(links, mul, 0), match_side(links, mul, 1)};
    std::string obstacles[2];
    for (std::size_t i = 0; i < 2; ++i) {
        obstacles[i] = sides[i].conv == no_value ? "the blocks do not match as a gate"
                                                 : obstacle(links, known, mul, sides[i]);
    }
    if (obstacles[0].empty() && obstacles[1].empty()) {
        const bool first = comes_from_pointwise(links, sides[0].gate);
        const bool second = comes_from_pointwise(links, sides[1].gate);
        if (first == second) {
            remark = "not fused: either factor could be the gate";
            return std::nullopt;
        }
        return sides[first ? 0 : 1];
    }
    for (std::size_t i = 0; i < 2; ++i) {
        if (obstacles[i].empty()) {
            return sides[i];
        }
    }
    const Node* first = links.producer(sides[0].conv);
    const bool conv_is_first = first != nullptr && first->op == Op::fused_conv;
    remark = "not fused: " + obstacles[conv_is_first ? 0 : 1];
    return std::nullopt;
}

}  // namespace

Status fuse_gate(Graph& graph) {
    Links links(graph);
    NonNegative known(graph.values.size(), false);
    // In topological order, so that a gated product is fused before what it feeds.
    for (Node& node : graph.nodes) {
        const bool is_product = node.op == Op::mul && graph.constant(node.inputs[0]) == nullptr &&
                                graph.constant(node.inputs[1]) == nullptr;
        if (is_product) {
            std::string remark;
            if (const auto match = choose(links, known, node, remark)) {
                apply(links, *match);
            } else {
                node.remark = remark;
            }
        }
        for (const ValueId id : node.outputs) {
            known[std::size_t(id)] = gives_non_negative(known, node);
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
