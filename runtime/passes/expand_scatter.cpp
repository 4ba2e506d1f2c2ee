#include <optional>
#include <unordered_map>

#include "graph/shapes.h"
#include "passes/edit.h"
#include "passes/node_writer.h"
#include "passes/passes.h"

namespace sluice {
namespace {

Shape inverse_of(const Shape& permutation) {
    Shape inverse(permutation.size());
    for (std::size_t i = 0; i < permutation.size(); ++i) {
        inverse[std::size_t(permutation[i])] = std::int64_t(i);
    }
    return inverse;
}

/// A value that is another one with its axes in another order.
struct Turned {
    ValueId source = no_value;
    Shape permutation;
};
using TurnedValues = std::unordered_map<ValueId, Turned>;

/// Rows start .. end - 1 along the first axis, all of those behind.
struct WrittenRows {
    std::int64_t start = 0, end = 0;
};

std::optional<WrittenRows> written_rows(const Graph& graph, const Node& node) {
    const Shape& x = shape_of(graph, node.inputs[0]);
    const Shape& at = shape_of(graph, node.inputs[1]);
    const auto indices = constant_ints(graph, node, 1);
    if (graph.string_attribute(node, "reduction", "none") != "none" || !indices ||
        indices->empty() || at.size() != 2 || at[1] != 1 || x.empty()) {
        return std::nullopt;
    }
    const WrittenRows rows{indices->front(), indices->front() + std::int64_t(indices->size())};
    for (std::size_t i = 0; i < indices->size(); ++i) {
        if ((*indices)[i] != rows.start + std::int64_t(i)) {
            return std::nullopt;
        }
    }
    return rows.start >= 0 && rows.end <= x[0] ? std::optional(rows) : std::nullopt;
}

ValueId slice(NodeWriter& w, const Node& node, ValueId x, std::int64_t start, std::int64_t end,
              std::int64_t axis) {
    return w.add(node, Op::slice,
                 {x, w.ints(node, {start}), w.ints(node, {end}), w.ints(node, {axis})});
}

/// What `node` gives before the axis comes to the front; none where it is no such ScatterND.
std::optional<Turned> joined(NodeWriter& w, const Node& node, const TurnedValues& turned) {
    const auto data = turned.find(node.inputs[0]);
    const auto rows = written_rows(w.graph(), node);
    if (data == turned.end() || !rows) {
        return std::nullopt;
    }
    const auto& [x, permutation] = data->second;
    const std::int64_t axis = permutation[0], extent = w.shape(x)[std::size_t(axis)];
    std::vector<ValueId> parts;
    if (rows->start > 0) {
        parts.push_back(slice(w, node, x, 0, rows->start, axis));
    }
    const auto updates = turned.find(node.inputs[2]);
    const bool is_turned_alike =
        updates != turned.end() && updates->second.permutation == permutation;
    parts.push_back(is_turned_alike ? updates->second.source
                                    : w.add(node, Op::transpose, {node.inputs[2]},
                                            {{"perm", inverse_of(permutation)}}));
    if (rows->end < extent) {
        parts.push_back(slice(w, node, x, rows->end, extent, axis));
    }
    return Turned{w.add(node, Op::concat, parts, {{"axis", axis}}), permutation};
}

}  // namespace

Status expand_scatter(Graph& graph) {
    std::vector<Node> nodes = std::exchange(graph.nodes, {});
    NodeWriter w(graph);
    TurnedValues turned;
    for (Node& node : nodes) {
        if (node.op == Op::scatter_nd) {
            if (const auto y = joined(w, node, turned)) {
                turned[node.outputs[0]] = *y;
                w.close(node, Op::transpose, {y->source}, {{"perm", y->permutation}});
                continue;
            }
        }
        if (node.op == Op::transpose) {
            const Shape permutation = transpose_order(w.graph(), node);
            const auto x = turned.find(node.inputs[0]);
            if (x != turned.end() && x->second.permutation == inverse_of(permutation)) {
                w.close(node, Op::identity, {x->second.source});
                continue;
            }
            turned[node.outputs[0]] = {node.inputs[0], permutation};
        }
        w.keep(std::move(node));
    }
    SLUICE_RETURN_IF_ERROR(w.finish());
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
