#include <numeric>
#include <utility>

#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

const Clamp* clamp_alone(const Node& node) {
    const bool clamps = node.op == Op::affine && all_equal(node.affine->scale, 1) &&
                        all_equal(node.affine->shift, 0);
    return clamps ? &node.affine->clamp : nullptr;
}

/// The rounding that a node alone reads, null where it reads none.
Node* rounding_before(const Links& links, const Node& node) {
    const ValueId x = node.inputs[0];
    Node* before = links.producer(x);
    const bool is_rounding =
        before != nullptr && before->op == Op::fake_quantize && links.consumer_count(x) == 1;
    return is_rounding ? before : nullptr;
}

/// Whether `node` may do to what the rounding reads what it does to what the rounding gives, so
/// that it comes next to the layer before.
bool may_move_ahead(const Links& links, const Node& node, const Node& rounding) {
    if (const Clamp* clamp = clamp_alone(node)) {
        return may_precede(*clamp, *rounding.quantization);
    }
    const Node* product = links.producer(rounding.inputs[0]);
    return node.op == Op::reshape && product != nullptr && product->op == Op::mul;
}

/// Whether a rounding may do to what `copy` reads what it does to what the copy gives, so that it
/// comes next to the layer before: it keeps the order of numbers, of which copies take some.
bool may_move_behind(const Links& links, const Node& copy) {
    const Graph& graph = links.graph();
    const Node* before = links.producer(copy.inputs[0]);
    const bool is_alone = before != nullptr && links.consumer_count(copy.inputs[0]) == 1;
    switch (copy.op) {
        case Op::reshape:
            return is_alone && before->op != Op::mul;
        case Op::max_pool:
        case Op::resize:
        case Op::slice:
        case Op::transpose:
            return is_alone && is_copy(graph, copy);
        default:
            return false;
    }
}

/// Exchanges two nodes of one input and output each, of which the second alone reads the first.
void exchange(Graph& graph, Node& first, Node& second) {
    const ValueId x = first.inputs[0], between = first.outputs[0], y = second.outputs[0];
    // The rounding keeps the shape.
    graph.values[std::size_t(between)].shape =
        graph.values[std::size_t(first.op == Op::fake_quantize ? y : x)].shape;
    std::swap(first, second);
    first.inputs[0] = x;
    first.outputs = {between};
    second.inputs[0] = between;
    second.outputs = {y};
}

void move_ahead(Graph& graph) {
    const Links links(graph);
    for (Node& node : graph.nodes) {
        // Several roundings may lie between.
        Node* place = &node;
        while (!place->inputs.empty()) {
            Node* rounding = rounding_before(links, *place);
            if (rounding == nullptr || !may_move_ahead(links, *place, *rounding)) {
                break;
            }
            exchange(graph, *rounding, *place);
            place = rounding;
        }
    }
}

void move_behind(Graph& graph) {
    const Links links(graph);
    for (std::size_t place = graph.nodes.size(); place-- > 0;) {
        Node* rounding = &graph.nodes[place];
        while (rounding->op == Op::fake_quantize) {
            Node* copy = links.producer(rounding->inputs[0]);
            if (copy == nullptr || links.consumer_count(rounding->inputs[0]) != 1 ||
                !may_move_behind(links, *copy)) {
                break;
            }
            exchange(graph, *copy, *rounding);
            rounding = copy;
        }
    }
}

/// The rounding that alone reads what a Concat of computed values writes; null where there is none.
Node* rounding_of_join(const Links& links, const Node& node) {
    const Graph& graph = links.graph();
    const bool joins_values =
        node.op == Op::concat &&
        std::none_of(node.inputs.begin(), node.inputs.end(),
                     [&graph](ValueId id) { return graph.constant(id) != nullptr; });
    Node* reader = joins_values ? links.sole_reader(node.outputs[0]) : nullptr;
    return reader != nullptr && reader->op == Op::fake_quantize ? reader : nullptr;
}

/// Rounds what a Concat joins and not the whole, so that each part is rounded by what writes it.
void spread_over_joins(Graph& graph) {
    const Links links(graph);
    std::vector<Node> nodes;
    std::vector<bool> is_spread(graph.nodes.size(), false);
    for (std::size_t place = 0; place < graph.nodes.size(); ++place) {
        Node& node = graph.nodes[place];
        if (const Node* rounding = rounding_of_join(links, node)) {
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                Node part = *rounding;
                part.name += "." + std::to_string(i);
                Value value = graph.values[std::size_t(node.inputs[i])];
                value.name += ".rounded";
                part.inputs = {node.inputs[i]};
                part.outputs = {graph.add_value(std::move(value))};
                node.inputs[i] = part.outputs[0];
                nodes.push_back(std::move(part));
            }
            node.outputs = rounding->outputs;
            is_spread[std::size_t(rounding - graph.nodes.data())] = true;
        }
        if (!is_spread[place]) {
            nodes.push_back(std::move(node));
        }
    }
    graph.nodes = std::move(nodes);
}

/// How often each value is read; outputs of the graph once more.
std::vector<int> count_readings(const Graph& graph) {
    std::vector<int> readings(graph.values.size(), 0);
    for (const Node& node : graph.nodes) {
        for (const ValueId id : node.inputs) {
            readings[id == no_value ? 0 : std::size_t(id)] += id == no_value ? 0 : 1;
        }
    }
    for (const ValueId id : graph.outputs) {
        ++readings[std::size_t(id)];
    }
    return readings;
}

/// What reads the clamps before a rounding that changes nothing by them, reads what they read; and
/// what reads a rounding of rounded numbers, or a second one of the same, reads the first.
void drop_repeated(Graph& graph) {
    const Grids grids = grids_of(graph);
    std::vector<ValueId> same(graph.values.size());
    std::iota(same.begin(), same.end(), ValueId{0});
    std::vector<const Node*> writers(graph.values.size(), nullptr);
    std::vector<std::vector<const Node*>> roundings(graph.values.size());
    std::vector<bool> is_output(graph.values.size(), false);
    for (const ValueId id : graph.outputs) {
        is_output[std::size_t(id)] = true;
    }
    const std::vector<int> readings = count_readings(graph);
    for (Node& node : graph.nodes) {
        for (ValueId& id : node.inputs) {
            id = id == no_value ? no_value : same[std::size_t(id)];
        }
        writers[std::size_t(node.outputs[0])] = &node;
        if (node.op != Op::fake_quantize) {
            continue;
        }
        const Node* before = writers[std::size_t(node.inputs[0])];
        const Clamp* clamp = before == nullptr ? nullptr : clamp_alone(*before);
        if (clamp != nullptr && readings[std::size_t(node.inputs[0])] == 1 &&
            is_implied(*clamp, *node.quantization)) {
            node.inputs[0] = before->inputs[0];
        }
        const ValueId x = node.inputs[0], y = node.outputs[0];
        if (is_output[std::size_t(y)]) {
            continue;
        }
        if (grids[std::size_t(x)] == node.quantization) {
            same[std::size_t(y)] = x;
            continue;
        }
        auto& known = roundings[std::size_t(x)];
        const auto first = std::find_if(known.begin(), known.end(), [&node](const Node* other) {
            return other->quantization == node.quantization;
        });
        if (first != known.end()) {
            same[std::size_t(y)] = (*first)->outputs[0];
        } else {
            known.push_back(&node);
        }
    }
}

}  // namespace

Status order_roundings(Graph& graph) {
    drop_repeated(graph);
    remove_dead_nodes(graph);
    spread_over_joins(graph);
    move_ahead(graph);
    move_behind(graph);
    drop_repeated(graph);
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
