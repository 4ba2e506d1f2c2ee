#pragma once

#include "graph/graph.h"

namespace sluice {

/// Puts nodes after those whose outputs they read, keeping the file's order where it is free.
/// A cycle is an error that names a node of it.
Status sort_nodes(Graph& graph);

}  // namespace sluice
