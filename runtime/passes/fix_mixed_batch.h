#pragma once

#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Fixes the batch of a graph at 1 where it is symbolic and a node mixes the images of a larger
/// one, or computes something else of each. A plan computes images one by one, so that its answers
/// would be wrong for other batches. The graph was folded at a batch of 1. `graph` still has the
/// folded nodes, whose outputs are known; `unfolded` are its values before. Mixing nodes are found
/// by evaluating shapes and constants at a second batch.
void fix_mixed_batch(Graph& graph, std::vector<Value> unfolded, const std::vector<bool>& is_known);

}  // namespace sluice
