#pragma once

#include "plan/planner.h"

namespace sluice {

/// Whether a convolution has one output map and no more than a clamp after its bias: an LCCL branch
/// that gates positions or tiles.
bool is_branch_form(const Planner& planner, const Node& node);

Result<Lowered> lower_branch(Planner& planner, const Node& node);

}  // namespace sluice
