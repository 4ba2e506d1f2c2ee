#pragma once

#include "graph/graph.h"

namespace sluice {

/// The output of a node with constant inputs, in the shape that infer_shape has set on its output.
/// Operators that no exporter applies to constants (Conv, Gemm, ...) are an error.
Result<Constant> evaluate_constant(const Graph& graph, const Node& node);

}  // namespace sluice
