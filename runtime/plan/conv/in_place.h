#pragma once

#include <optional>

#include "plan/planner.h"

namespace sluice {

/// The residual's own memory for the output of a layer with a gate per position, where what a
/// skipped position should hold is what the residual holds there: then nothing is written to it.
/// None where the output is another number there, in another layout, or the residual is read again.
/// The ways that compute the layer must each compute an output once: see computes_once().
std::optional<Layout> place_in_residual(const Planner& planner, const Node& node);

}  // namespace sluice
