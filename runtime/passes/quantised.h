#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

/// What passes ask of a quantised graph.
namespace sluice {

inline bool is_byte(const Value& value) {
    return value.type == ElementType::uint8 || value.type == ElementType::int8;
}

/// Whether a node's output holds elements of its inputs and nothing else: of all inputs for Concat,
/// of the first one for others.
bool is_copy(const Graph& graph, const Node& node);

/// Whether a node copies or clips int8 or uint8.
bool copies_bytes(const Graph& graph, const Node& node);

/// Inputs of a copy that hold what it copies.
inline std::size_t copied_inputs(const Node& node) {
    return node.op == Op::concat ? node.inputs.size() : 1;
}

/// From the least to the largest of the 256 values that quantisation gives.
Clamp range_of(const Quantization& quantization);

/// Whether `value` is one of the 256 that quantisation gives.
bool is_exact(const Quantization& quantization, float value);

/// Whether clamp(rounded(x)) is rounded(clamp(x)) for what `quantization` rounds.
bool may_precede(const Clamp& clamp, const Quantization& quantization);

/// Whether a clamp before a rounding changes nothing.
bool is_implied(const Clamp& clamp, const Quantization& quantization);

/// Of each value of a float graph, the numbers that all its elements are rounded to, as far as the
/// nodes before it show; no_numbers where they are not.
using Grids = std::vector<std::optional<Quantization>>;
Grids grids_of(const Graph& graph);

/// Whether the last rounding of a convolution could come before its shift and all that follows; it
/// then does. There may be none to move.
bool move_rounding_inside(FusedConv& conv, bool has_residual);

/// Of each value, the DequantizeLinear that makes it of constant bytes; null elsewhere.
std::vector<const Node*> weight_dequantizers(const Graph& graph);

/// Makes a float constant of what such a node gives.
[[nodiscard]] Status dequantize_weights(Graph& graph, const Node& dequantize);

}  // namespace sluice
