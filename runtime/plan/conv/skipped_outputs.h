#pragma once

#include "plan/conv/convolution.h"

namespace sluice {

/// Whether any step reads what a gate skips of the layer's output, which then has to be filled.
/// Layers under the same gate do not, where they read an output's own position alone, or where the
/// gate switches whole maps.
bool are_skipped_outputs_read(const Planner& planner, const Convolution& c);

}  // namespace sluice
