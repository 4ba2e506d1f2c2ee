#include "plan/conv/int8_excess.h"

#include <algorithm>

namespace sluice {
namespace {

/// 255 * 128 is the largest multiple of 255 below 2^15.
constexpr int most_of_pair = 128;

/// What two weights add up to beyond the most, if they have one sign. It is less than the first.
int excess_of(int first, int second) {
    const int low = std::min(first, 0) + std::min(second, 0);
    const int high = std::max(first, 0) + std::max(second, 0);
    return std::max(high - most_of_pair, 0) + std::min(low + most_of_pair, 0);
}

}  // namespace

bool move_excess(std::span<std::int8_t> step, std::span<std::int8_t> rest) {
    bool has_any = false;
    for (std::size_t i = 0; i + 1 < step.size(); i += 2) {
        if (const int excess = excess_of(step[i], step[i + 1])) {
            step[i] = std::int8_t(step[i] - excess);
            rest[i] = std::int8_t(excess);
            has_any = true;
        }
    }
    return has_any;
}

std::vector<std::int32_t> find_excess(std::span<const std::int8_t> steps, std::int64_t bytes) {
    std::vector<std::int32_t> found;
    for (std::size_t i = 0; i + 1 < steps.size(); i += 2) {
        const auto step = std::int32_t(std::int64_t(i) / bytes);
        const bool is_new = found.empty() || found.back() != step;
        if (is_new && excess_of(steps[i], steps[i + 1]) != 0) {
            found.push_back(step);
        }
    }
    return found;
}

}  // namespace sluice
