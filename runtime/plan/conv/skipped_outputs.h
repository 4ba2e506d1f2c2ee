#pragma once

#include "plan/conv/convolution.h"

namespace sluice {

/// Whether a quantised layer computes all outputs whatever its gate: int8 has no kernels that fill
/// float outputs, and none of depthwise layers that skip.
bool computes_all(const Planner& planner, const Node& node);

/// Whether any step reads what a gate skips of the layer's output, which then has to be filled.
/// Layers under the same gate do not, where they read an output's own position alone, or where the
/// gate switches whole maps.
bool are_skipped_outputs_read(const Planner& planner, const Convolution& c);

}  // namespace sluice
