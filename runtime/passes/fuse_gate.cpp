#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// A multiplication read as convolution times gate. `result` is the node whose output the gated
/// convolution takes over: the Mul, or the Reshape that ends a multiplication by blocks.
struct Match {
    ValueId conv = no_value;
    ValueId gate = no_value;
    std::size_t mul = 0, result = 0;
};

const Node* producer_of(const Graph& graph, ValueId id, Op op) {
    const Node* node = graph.producer(id);
    return node != nullptr && node->op == op ? node : nullptr;
}

/// Whether no element of a value is negative, as far as the graph shows.
bool is_non_negative(const Graph& graph, ValueId id) {
    const Node* node = graph.producer(id);
    if (node == nullptr) {
        return false;
    }
    switch (node->op) {
        case Op::affine: return node->affine->clamp.low >= 0;
        case Op::fused_conv: {
            const FusedConv& conv = *node->fused_conv;
            const bool ends_with_act = conv.post.is_none() && node->inputs[1] == no_value &&
                                       node->inputs[2] == no_value &&
                                       all_equal(conv.scale, 1) && all_equal(conv.shift, 0);
            return (ends_with_act ? conv.act : conv.post).low >= 0;
        }
        case Op::resize:
        case Op::max_pool:
        case Op::reshape:
        case Op::expand:
        case Op::slice:
        case Op::transpose: return is_non_negative(graph, node->inputs[0]);
        default: return false;
    }
}

/// [N, G, 1, H, W] that was [N, G, H, W]: returns the latter.
ValueId before_unsqueeze(const Graph& graph, ValueId id) {
    const Node* reshape = producer_of(graph, id, Op::reshape);
    const Shape& shape = shape_of(graph, id);
    if (reshape == nullptr || shape.size() != 5 || shape[2] != 1) {
        return no_value;
    }
    const Shape flat = {shape[0], shape[1], shape[3], shape[4]};
    return shape_of(graph, reshape->inputs[0]) == flat ? reshape->inputs[0] : no_value;
}

/// [N, G, H, W] of a gate repeated to [N, K, H, W] by Unsqueeze, Expand, Reshape; else `gate`.
ValueId before_repeat(const Graph& graph, ValueId gate) {
    const Node* reshape = producer_of(graph, gate, Op::reshape);
    const Node* expand =
        reshape == nullptr ? nullptr : producer_of(graph, reshape->inputs[0], Op::expand);
    const ValueId maps =
        expand == nullptr ? no_value : before_unsqueeze(graph, expand->inputs[0]);
    if (maps == no_value) {
        return gate;
    }
    const Shape wide = shape_of(graph, expand->outputs[0]);
    const Shape& narrow = shape_of(graph, maps);
    const Shape& shape = shape_of(graph, gate);
    const bool repeats_blocks = wide.size() == 5 && wide[1] == narrow[1] && shape.size() == 4 &&
                                shape[1] == wide[1] * wide[2] && shape[2] == narrow[2] &&
                                shape[3] == narrow[3];
    return repeats_blocks ? maps : gate;
}

/// y.reshape(N, G, K/G, H, W) * g.unsqueeze(2), reshaped back: conv no_value where it is not.
Match match_blocks(const Graph& graph, std::size_t mul, std::size_t side) {
    Match match;
    const Node& node = graph.nodes[mul];
    const Node* split = producer_of(graph, node.inputs[side], Op::reshape);
    const ValueId maps = before_unsqueeze(graph, node.inputs[1 - side]);
    if (split == nullptr || maps == no_value ||
        graph.consumer_count(split->outputs[0]) != 1 ||
        graph.consumer_count(node.outputs[0]) != 1) {
        return match;
    }
    const Shape& whole = shape_of(graph, split->inputs[0]);
    const Shape& blocks = shape_of(graph, node.outputs[0]);
    const Shape& narrow = shape_of(graph, maps);
    const Shape by_group = {narrow[0], narrow[1], blocks[2], narrow[2], narrow[3]};
    for (std::size_t i = mul + 1; i < graph.nodes.size(); ++i) {
        const Node& join = graph.nodes[i];
        if (join.op == Op::reshape && join.inputs[0] == node.outputs[0] &&
            whole.size() == 4 && shape_of(graph, join.outputs[0]) == whole &&
            shape_of(graph, split->outputs[0]) == by_group && blocks == by_group) {
            match = {split->inputs[0], maps, mul, i};
        }
    }
    return match;
}

Match match_side(const Graph& graph, std::size_t mul, std::size_t side) {
    const Node& node = graph.nodes[mul];
    if (shape_of(graph, node.outputs[0]).size() == 5) {
        return match_blocks(graph, mul, side);
    }
    return {node.inputs[side], before_repeat(graph, node.inputs[1 - side]), mul, mul};
}

/// Why a match is no gate; empty where it is one.
std::string obstacle(Graph& graph, const Match& match) {
    const Node* node = graph.producer(match.conv);
    if (node == nullptr || node->op != Op::fused_conv) {
        return "neither factor is a convolution";
    }
    if (graph.consumer_count(match.conv) != 1) {
        return "the convolution's ungated output is read elsewhere";
    }
    const FusedConv& conv = *node->fused_conv;
    if (conv.gate != GateForm::none || node->inputs[2] != no_value || !conv.post.is_none() ||
        !all_equal(conv.shift, 0)) {
        return "more than an activation lies between the convolution and the product";
    }
    const Shape& y = shape_of(graph, match.conv);
    const Shape& g = shape_of(graph, match.gate);
    if (shape_of(graph, graph.nodes[match.result].outputs[0]) != y || g.size() != 4 ||
        g[0] != y[0] || y[1] % g[1] != 0 || g[2] != y[2] || g[3] != y[3]) {
        return "the factors " + to_string(y) + " and " + to_string(g) + " do not match as a gate";
    }
    if (g[1] != 1 && g[1] != y[1] && match.result == match.mul &&
        before_repeat(graph, graph.nodes[match.mul].inputs[0]) != match.gate &&
        before_repeat(graph, graph.nodes[match.mul].inputs[1]) != match.gate) {
        return "the gate's maps are not repeated by blocks";
    }
    return is_non_negative(graph, match.gate) ? "" : "the gate is not clamped at zero";
}

bool comes_from_pointwise(const Graph& graph, ValueId id) {
    const Node* node = producer_of(graph, id, Op::fused_conv);
    return node != nullptr && node->fused_conv->weights->shape[2] == 1 &&
           node->fused_conv->weights->shape[3] == 1;
}

void apply(Graph& graph, const Match& match) {
    Node* node = graph.producer(match.conv);
    const std::int64_t maps = shape_of(graph, match.gate)[1];
    const std::int64_t channels = shape_of(graph, match.conv)[1];
    node->inputs[1] = match.gate;
    node->fused_conv->gate = maps == 1          ? GateForm::position
                             : maps == channels ? GateForm::element
                                                : GateForm::group;
    move_into(graph, index_of(graph, node), match.result);
}

/// The reading of a Mul as a gate; `remark` says why there is none.
std::optional<Match> choose(Graph& graph, std::size_t mul, std::string& remark) {
    const Match sides[2] = {match_side(graph, mul, 0), match_side(graph, mul, 1)};
    std::string obstacles[2];
    for (std::size_t i = 0; i < 2; ++i) {
        obstacles[i] = sides[i].conv == no_value ? "the blocks do not match as a gate"
                                                 : obstacle(graph, sides[i]);
    }
    if (obstacles[0].empty() && obstacles[1].empty()) {
        const bool first = comes_from_pointwise(graph, sides[0].gate);
        const bool second = comes_from_pointwise(graph, sides[1].gate);
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
    const Node* first = sides[0].conv == no_value ? nullptr : graph.producer(sides[0].conv);
    const bool conv_is_first = first != nullptr && first->op == Op::fused_conv;
    remark = "not fused: " + obstacles[conv_is_first ? 0 : 1];
    return std::nullopt;
}

}  // namespace

Status fuse_gate(Graph& graph) {
    for (std::size_t i = 0; i < graph.nodes.size();) {
        const std::size_t count = graph.nodes.size();
        if (graph.nodes[i].op == Op::mul && graph.constant(graph.nodes[i].inputs[0]) == nullptr &&
            graph.constant(graph.nodes[i].inputs[1]) == nullptr) {
            std::string remark;
            if (const auto match = choose(graph, i, remark)) {
                apply(graph, *match);
                // What led to the product must not count as a reader any more.
                remove_dead_nodes(graph);
            } else {
                graph.nodes[i].remark = remark;
            }
        }
        // A fusion moves nodes up: start over, as a gated product may feed another.
        i = graph.nodes.size() == count ? i + 1 : 0;
    }
    return {};
}

}  // namespace sluice
