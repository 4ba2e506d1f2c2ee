#pragma once

#include <map>
#include <vector>

#include "reference/operators.h"

namespace sluice::reference {

/// The output of one node, whose inputs are among `values`, float constants too. Its shape must be
/// inferred. Fails where its operator has no activation to compute.
Result<Tensor> evaluate(const Graph& graph, const Node& node,
                        const std::map<ValueId, Tensor>& values);

/// Runs a graph, ONNX nodes and fused ones alike, node by node: `inputs` and the result in the
/// order of Graph::inputs and Graph::outputs. Shapes must be inferred. Fails at a node whose
/// operator has no activation to compute.
Result<std::vector<Tensor>> interpret(const Graph& graph, const std::vector<Tensor>& inputs);

}  // namespace sluice::reference
