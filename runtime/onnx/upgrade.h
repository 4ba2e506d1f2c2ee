#pragma once

#include "graph/graph.h"

namespace sluice {

/// Rewrites a node of Graph::opset, from 7 on, as today's opset has it: attributes that have become
/// inputs do so here, and what another default meant is stated. A form that means nothing Sluice
/// computes is an error that names the node.
Status upgrade(Graph& graph, Node& node);

}  // namespace sluice
