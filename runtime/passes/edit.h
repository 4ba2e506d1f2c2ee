#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "graph/graph.h"

/// What several passes ask of a graph.
namespace sluice {

inline const Shape& shape_of(const Graph& graph, ValueId id) {
    return graph.values[std::size_t(id)].shape;
}

/// The fused_conv that writes a value which only one node reads; else null.
inline Node* sole_fused_conv(Graph& graph, ValueId id) {
    Node* node = graph.producer(id);
    const bool is_one = node != nullptr && node->op == Op::fused_conv;
    return is_one && graph.consumer_count(id) == 1 ? node : nullptr;
}

inline std::size_t index_of(const Graph& graph, const Node* node) {
    return std::size_t(node - graph.nodes.data());
}

/// Moves node `from` into the place of the later node `to`, whose output it takes over. Nothing
/// between them may read what `from` wrote. No pointer to a node stays valid.
inline void move_into(Graph& graph, std::size_t from, std::size_t to) {
    Node moved = std::move(graph.nodes[from]);
    moved.outputs = graph.nodes[to].outputs;
    graph.nodes[to] = std::move(moved);
    graph.nodes.erase(graph.nodes.begin() + std::ptrdiff_t(from));
}

inline bool all_equal(const std::vector<float>& values, float value) {
    return std::all_of(values.begin(), values.end(), [value](float v) { return v == value; });
}

}  // namespace sluice
