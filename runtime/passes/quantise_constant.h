#pragma once

#include "graph/graph.h"

namespace sluice {

/// The floats that a DequantizeLinear gives of a constant: (q - zero point) * scale. Those of int32
/// are rounded once.
Result<Constant> dequantize_constant(const Graph& graph, const Node& node);

/// The int8 or uint8 that a QuantizeLinear gives of constant floats: x / scale, rounded half to
/// even, plus the zero point, saturated.
Result<Constant> quantize_constant(const Graph& graph, const Node& node);

}  // namespace sluice
