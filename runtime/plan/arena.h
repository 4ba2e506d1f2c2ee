#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "graph/aligned.h"
#include "plan/step.h"

namespace sluice {

/// Memory that holds a value from the first step that writes it to the last that reads it.
struct Block {
    std::int64_t bytes = 0;
    std::size_t first = 0, last = 0;
    bool is_used = false;
    /// Blocks of the same number keep the same elements at what an arena begins with, run after
    /// run; -1: this one keeps none.
    int kept = -1;
    std::int64_t offset = 0;  ///< bytes from the arena's start; set by place_blocks
};

/// Gives every block its offset, so that blocks alive at the same step do not overlap, and those
/// that keep elements overlap with blocks that keep the same only, in n log n time. Returns the
/// arena's size in bytes.
std::int64_t place_blocks(std::vector<Block>& blocks);

/// The elements of a block that its writer writes, `bytes` each, and what the bytes of all others
/// hold in every run. An image of `height` rows, each of `width` pixels.
struct WrittenElements {
    std::int64_t origin, channels, channel_stride, width, row, height, bytes;
    std::uint8_t others;
    auto operator<=>(const WrittenElements&) const = default;
};

/// Bytes of an arena that begin with another value than zero.
struct Preset {
    std::int64_t offset, bytes;
    std::uint8_t value;
};
/// Gives them their values, in an arena of zeros.
void write_presets(std::span<const Preset> presets, std::byte* arena);

/// The blocks of a plan while it is made. A buffer of the arena names its block, and counts its
/// offset from there, until place() and settle().
class Arena {
public:
    /// The block's number.
    int add_block(std::int64_t bytes);
    /// The block's other elements keep what they hold when a session begins.
    void keep_others(int block, const WrittenElements& written);
    /// Memory that only the next steps use.
    Buffer scratch(std::int64_t elements, halide_type_t type, std::vector<Axis> axes);

    /// The step of this number reads or writes the buffer.
    void use(const Buffer& buffer, std::size_t step);
    /// The arena's size in bytes, with room for what a kernel reads beyond the last value.
    std::int64_t place() { return place_blocks(blocks_) + std::int64_t(memory_alignment); }
    /// What the placed blocks begin with, where that is not zero.
    std::vector<Preset> presets() const;
    /// Makes the offset of a buffer count from the arena's start.
    void settle(Buffer& buffer) const;

private:
    std::vector<Block> blocks_;
    std::map<WrittenElements, int> kept_;
};

}  // namespace sluice
