#pragma once

#include <vector>

#include "reference/operators.h"

namespace sluice::reference {

/// Runs a graph, ONNX nodes and fused ones alike, node by node: `inputs` and the result in the
/// order of Graph::inputs and Graph::outputs. Shapes must be inferred. Fails at a node whose
/// operator has no activation to compute.
Result<std::vector<Tensor>> interpret(const Graph& graph, const std::vector<Tensor>& inputs);

}  // namespace sluice::reference
