#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

/// Memory that holds a value from the first step that writes it to the last that reads it.
struct Block {
    std::int64_t elements = 0;  ///< 4 bytes each
    std::size_t first = 0, last = 0;
    bool is_used = false;
    /// Blocks of the same number keep the same elements at the zeros that an arena begins with, run
    /// after run; -1: this one keeps none.
    int zeros = -1;
    std::int64_t offset = 0;  ///< elements from the arena's start; set by place_blocks
};

/// Gives every block its offset, so that blocks alive at the same step do not overlap, and those
/// that keep zeros overlap with blocks of the same zeros only, in n log n time. Returns the arena's
/// size in elements.
std::int64_t place_blocks(std::vector<Block>& blocks);

}  // namespace sluice
