#pragma once

#include <cstdint>

namespace sluice {

/// Where share `number` of `shares` about equal ones begins among `count` things.
constexpr std::int64_t share_start(std::int64_t count, std::int64_t number, std::int64_t shares) {
    return count * number / shares;
}

}  // namespace sluice
