#pragma once

/// What the kernels that write lists and the planner that gives them memory both go by.
namespace sluice {

/// Gates of a row that share a mask, a bit each. A scan takes as many at a time, and writes as many
/// entries of its list at once.
constexpr int mask_bits = 8;

/// Entries that the scan of per-element gates writes at once: those of a mask, and enough to fill
/// the last register tile of a position.
constexpr int element_entries = 16;

/// Taps of a 3x3 convolution, each of which has a list of pairs.
constexpr int pair_taps = 9;

}  // namespace sluice
