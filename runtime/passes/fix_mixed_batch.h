#pragma once

#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Gives a graph whose batch is symbolic, and which was folded at a batch of 1, this batch for good
/// where a node mixes the images of a larger one, or computes something else of each: a plan, which
/// computes images one by one, is right at 1 alone. `graph` still has the folded nodes, whose
/// outputs are known; `unfolded` are its values before. Such nodes are found by evaluating shapes
/// and constants at a second batch.
void fix_mixed_batch(Graph& graph, std::vector<Value> unfolded, const std::vector<bool>& is_known);

}  // namespace sluice
