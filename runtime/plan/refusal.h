#pragma once

#include "plan/planner.h"

namespace sluice {

/// Why no kernel computes a node whose operator Sluice knows: what of the node it is, and what to
/// do about that.
Status refusal(const Graph& graph, const Node& node);

/// Fails where the node's output, with its halo and the lanes beside its channels, has more
/// elements than a kernel can count.
Status check_size(const Planner& planner, const Node& node);

}  // namespace sluice
