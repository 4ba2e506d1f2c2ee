#pragma once

#include <cstddef>

#include "graph/clamps.h"
#include "graph/graph.h"

/// What several passes ask of a graph.
namespace sluice {

inline const Shape& shape_of(const Graph& graph, ValueId id) {
    return graph.values[std::size_t(id)].shape;
}

}  // namespace sluice
