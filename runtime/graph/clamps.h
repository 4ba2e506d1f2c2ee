#pragma once

#include <algorithm>
#include <span>

#include "graph/graph.h"

namespace sluice {

inline bool all_equal(std::span<const float> values, float value) {
    return std::all_of(values.begin(), values.end(), [value](float v) { return v == value; });
}

/// What bounds the outputs of a fused_conv before they are rounded: act where nothing follows it.
inline Clamp last_clamp(const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const bool ends_with_act = conv.post.is_none() && node.inputs[1] == no_value &&
                               node.inputs[2] == no_value && all_equal(conv.scale, 1) &&
                               all_equal(conv.shift, 0);
    return ends_with_act ? conv.act : conv.post;
}

}  // namespace sluice
