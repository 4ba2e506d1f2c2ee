#pragma once

#include <functional>

#include "graph/graph.h"

/// Operators over constants that choose elements and compute none, for evaluate_constant. `shape`
/// is what infer_shape has set on the output.
namespace sluice {

const Constant& constant_input(const Graph& graph, const Node& node, std::size_t index);

/// The elements of x at offset(index) for every index of the output; -1 takes `fill`.
Constant pick(const Constant& x, const Shape& shape,
              const std::function<std::int64_t(const Shape&)>& offset, double fill = 0);

/// x broadcast to a shape.
Constant spread_constant(const Constant& x, const Shape& shape);
/// The same elements in another shape.
Constant reshape_constant(const Constant& x, const Shape& shape);
/// Of inputs that are all float or all integer.
Constant concat_constants(const Graph& graph, const Node& node, const Shape& shape);
Constant tile_constant(const Graph& graph, const Node& node, const Shape& shape);
Constant transpose_constant(const Graph& graph, const Node& node, const Shape& shape);
Result<Constant> gather_constant(const Graph& graph, const Node& node, const Shape& shape);
/// Of a Slice, or of a part of a Split.
Result<Constant> slice_constant(const Graph& graph, const Node& node, const Shape& shape);
Result<Constant> pad_constant(const Graph& graph, const Node& node, const Shape& shape);

}  // namespace sluice
