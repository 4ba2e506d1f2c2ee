#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sluice {

/// Where instructions sum two products in 16 bits and saturate, weights of bytes are packed as a
/// list of steps, so that no sum does: a step whose pairs could go beyond is followed, at the end
/// of the list, by one that reads the same bytes and has what the first one leaves.

/// Takes from each pair of a step's weights what could leave 16 bits, inputs being at most 255, and
/// adds it to `rest`, of as many bytes, which holds zeros. Returns whether there is any.
bool move_excess(std::span<std::int8_t> step, std::span<std::int8_t> rest);

/// Steps of `bytes` whose weights have an excess, in order.
std::vector<std::int32_t> find_excess(std::span<const std::int8_t> steps, std::int64_t bytes);

}  // namespace sluice
