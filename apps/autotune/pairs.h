#pragma once

#include <array>

#include "autotune/winograd_step.h"  // List

namespace sluice::autotune {

/// Of sparse_conv's 3x3 windows.
inline constexpr int pair_taps = 9;

/// Of each tap, y * row + x of the outputs.
using Pairs = std::array<List, pair_taps>;

/// The pairs of an open input and an open output of a convolution of stride 1 and pads of 1, as
/// generators/kernel_map.cpp lists them. Both lists are of positions of the same map.
Pairs list_pairs(const List& inputs, const List& outputs, std::int64_t row);
std::int64_t count_pairs(const Pairs& pairs);

}  // namespace sluice::autotune
