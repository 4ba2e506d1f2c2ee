#pragma once

#include <memory>

#include "graph/graph.h"

namespace sluice {

/// The output of a node with constant inputs, in the shape that infer_shape has set on its output;
/// the input itself where they are the same. Operators that no exporter applies to constants (Conv,
/// Gemm, ...) are an error.
Result<std::shared_ptr<const Constant>> evaluate_constant(const Graph& graph, const Node& node);

/// Elements that evaluate_constant computes for a node.
std::int64_t evaluated_elements(const Graph& graph, const Node& node);

}  // namespace sluice
