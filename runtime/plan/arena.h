#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "plan/step.h"

namespace sluice {

/// Memory that holds a value from the first step that writes it to the last that reads it.
struct Block {
    std::int64_t bytes = 0;
    std::size_t first = 0, last = 0;
    bool is_used = false;
    /// Blocks of the same number keep the same elements at the zeros that an arena begins with, run
    /// after run; -1: this one keeps none.
    int zeros = -1;
    std::int64_t offset = 0;  ///< bytes from the arena's start; set by place_blocks
};

/// Gives every block its offset, so that blocks alive at the same step do not overlap, and those
/// that keep zeros overlap with blocks of the same zeros only, in n log n time. Returns the arena's
/// size in bytes.
std::int64_t place_blocks(std::vector<Block>& blocks);

/// The elements of a block that its writer writes; all others stay at zero. An image of `height`
/// rows, each of `width` pixels.
struct WrittenElements {
    std::int64_t origin, channels, channel_stride, width, row, height;
    auto operator<=>(const WrittenElements&) const = default;
};

/// The blocks of a plan while it is made. A buffer of the arena names its block, and counts its
/// offset from there, until place() and settle().
class Arena {
public:
    /// The block's number.
    int add_block(std::int64_t bytes);
    /// What the block's writer leaves at zero must be zero in each run.
    void keep_zeros(int block, const WrittenElements& written);
    /// Memory that only the next steps use.
    Buffer scratch(std::int64_t elements, halide_type_t type, std::vector<Axis> axes);

    /// The step of this number reads or writes the buffer.
    void use(const Buffer& buffer, std::size_t step);
    /// The arena's size in bytes.
    std::int64_t place() { return place_blocks(blocks_); }
    /// Makes the offset of a buffer count from the arena's start.
    void settle(Buffer& buffer) const;

private:
    std::vector<Block> blocks_;
    std::map<WrittenElements, int> zeros_;
};

}  // namespace sluice
