#pragma once

#include "graph/graph.h"

namespace sluice {

/// Infers every shape and evaluates every node whose inputs are known at load time, in one walk in
/// topological order. Afterwards each node computes an activation of known shape, in float, uint8
/// or int8, or is the DequantizeLinear of a layer's weights. A node that does not fit its inputs is
/// an error that names it.
Status fold_constants(Graph& graph);

}  // namespace sluice
