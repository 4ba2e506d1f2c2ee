#pragma once

/// What the int8 depthwise kernels and the planner that packs their weights both go by.
namespace sluice {

/// Groups of `dot` rows that reach over a window of as many rows.
constexpr int row_groups(int rows, int dot) { return (rows + dot - 1) / dot; }

/// Windows, each `step` rows below the one before, that the groups over the first reach over.
constexpr int shared_windows(int rows, int dot, int step) {
    return (row_groups(rows, dot) * dot - rows) / step + 1;
}

}  // namespace sluice
