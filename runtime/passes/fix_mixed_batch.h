#pragma once

#include "graph/graph.h"

namespace sluice {

/// Gives a graph whose batch is symbolic, and which was folded at a batch of 1, this batch for good
/// where a node mixes the images of a larger one, or computes something else of each: a plan, which
/// computes images one by one, is right at 1 alone. `unfolded` is the graph before. Such nodes are
/// found by evaluating shapes and constants at a second batch.
void fix_mixed_batch(Graph& graph, Graph unfolded);

}  // namespace sluice
