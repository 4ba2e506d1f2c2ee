#pragma once

#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Parts of a map along an extent that padding reaches alike: its start, its middle, its end.
inline constexpr std::int64_t map_sides = 3;

/// What a constant input gives a 3x3 layer of stride 1 and pads of 1: (k, tap) its product with
/// each tap, and (k, x, y) the sum of those that lie on the map, with the bias, at each of its
/// sides.
struct ConstantPart {
    std::vector<float> products, borders;
};

/// `input` has one value per channel; `outputs` are the layer's, with the lanes beside them.
ConstantPart convolve_constant(const FusedConv& conv, const std::vector<float>& input,
                               std::int64_t outputs);

}  // namespace sluice
