#pragma once

#include "plan/planner.h"

namespace sluice {

/// The steps of a transposed convolution, whose output lies in `lowered`, and its MACs.
Status lower_transposed(Planner& planner, const Node& node, Lowered& lowered);

}  // namespace sluice
