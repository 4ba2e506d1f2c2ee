#pragma once

#include "graph/graph.h"

/// Operators over constants that compute, for evaluate_constant. `shape` is what infer_shape has
/// set on the output. Integers wrap as those of two's complement.
namespace sluice {

/// Of Add, Sub, Mul, Div, Pow or Equal.
Result<Constant> binary_constant(const Graph& graph, const Node& node, const Shape& shape);
/// Of Max, Min, Sum or Mean of any number of inputs.
Result<Constant> several_constants(const Graph& graph, const Node& node, const Shape& shape);
/// Of Abs, Ceil, Exp, Floor, Neg, Reciprocal or Sqrt.
Result<Constant> unary_constant(const Graph& graph, const Node& node);
/// Of ReduceSum, ReduceMean, ReduceMax or ReduceMin.
Result<Constant> reduce_constant(const Graph& graph, const Node& node, const Shape& shape);
Result<Constant> where_constant(const Graph& graph, const Node& node, const Shape& shape);

}  // namespace sluice
