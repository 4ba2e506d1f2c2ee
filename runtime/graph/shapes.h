#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Sets shape and element kind of the node's output from its inputs, whose shapes must be known,
/// and from its constant inputs. A node that does not fit its inputs is an error that names it.
Status infer_shape(Graph& graph, const Node& node);

/// The first input whose integers the output's shape depends on; none where it depends on shapes
/// alone.
std::optional<std::size_t> first_extent_input(Op op);

/// The integers of a constant input; none where the input is left out, not constant or float.
std::optional<std::vector<std::int64_t>> constant_ints(const Graph& graph, const Node& node,
                                                       std::size_t index);

/// The shape of two broadcast shapes (NumPy's rule); none where they do not fit.
std::optional<Shape> broadcast_shapes(const Shape& a, const Shape& b);

/// An axis counted from the end made one counted from the front; none outside -rank .. rank - 1.
std::optional<std::size_t> normalize_axis(std::int64_t axis, std::size_t rank);

/// The elements start, start + step, ... of an axis.
struct SliceRange {
    std::int64_t start = 0;
    std::int64_t step = 1;
    std::int64_t count = 0;
    bool is_open = true;  ///< takes what follows `start` of any extent
};

/// What a Slice node takes of each axis of its first input.
Result<std::vector<SliceRange>> slice_ranges(const Graph& graph, const Node& node);

/// What a Split node takes, of which the reader has made a node for each output: attribute `part`
/// of `parts`.
Result<std::vector<SliceRange>> split_ranges(const Graph& graph, const Node& node);

/// Elements that a Pad node puts before all axes and then after all axes; negative ones crop.
Result<std::vector<std::int64_t>> pad_extents(const Graph& graph, const Node& node);

/// For each axis of a Transpose's output the input's; reversed where the node says none. A
/// permutation where infer_shape accepts the node.
Shape transpose_order(const Graph& graph, const Node& node);

/// The axes of a reduction, Squeeze or Unsqueeze for a tensor of this rank, ascending.
Result<std::vector<std::size_t>> node_axes(const Graph& graph, const Node& node, std::size_t rank);

}  // namespace sluice
