#pragma once

#include "passes/node_writer.h"

namespace sluice {

/// Writes LayerNormalization, InstanceNormalization, GroupNormalization or LRN as the arithmetic
/// that they are. False of another node, and of one that has no such form.
bool expand_normalization(NodeWriter& writer, const Node& node);

}  // namespace sluice
