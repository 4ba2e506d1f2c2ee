#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "graph/graph.h"

/// What several passes ask of a graph.
namespace sluice {

inline const Shape& shape_of(const Graph& graph, ValueId id) {
    return graph.values[std::size_t(id)].shape;
}

inline bool all_equal(std::span<const float> values, float value) {
    return std::all_of(values.begin(), values.end(), [value](float v) { return v == value; });
}

}  // namespace sluice
