#pragma once

#include <cstdint>

namespace sluice {

/// Weights are packed in panels of a vector of outputs each, for a kernel of several vectors as
/// well: processors fetch several streams ahead faster than one, whose pages end too soon. This
/// many outputs are packed at a time, a cache line, which are one panel or more.
constexpr std::int64_t packed_outputs = 16;
constexpr std::int64_t packed_parts(std::int64_t outputs) {
    return (outputs + packed_outputs - 1) / packed_outputs;
}

}  // namespace sluice
