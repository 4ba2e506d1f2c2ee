#include "autotune/pairs.h"

#include <unordered_set>

namespace sluice::autotune {

Pairs list_pairs(const List& inputs, const List& outputs, std::int64_t row) {
    const std::unordered_set<std::uint32_t> open(inputs.begin(), inputs.end());
    Pairs pairs;
    for (std::size_t tap = 0; tap < pairs.size(); ++tap) {
        const auto down = static_cast<std::int64_t>(tap) / 3 - 1;
        const auto right = static_cast<std::int64_t>(tap) % 3 - 1;
        for (const std::uint32_t output : outputs) {
            const std::int64_t y = output >> 16, x = output & 0xffff;
            const bool is_on_map = y + down >= 0 && x + right >= 0;
            if (is_on_map &&
                open.contains(static_cast<std::uint32_t>((y + down) << 16 | (x + right)))) {
                pairs[tap].push_back(static_cast<std::uint32_t>(y * row + x));
            }
        }
    }
    return pairs;
}

std::int64_t count_pairs(const Pairs& pairs) {
    std::int64_t count = 0;
    for (const List& tap : pairs) {
        count += static_cast<std::int64_t>(tap.size());
    }
    return count;
}

}  // namespace sluice::autotune
