#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "plan/conv/int8_excess.h"

using namespace sluice;

namespace {

using Pair = std::array<std::int8_t, 2>;

/// Whether an instruction that sums two products of bytes in 16 bits is exact for all inputs.
bool holds(const Pair& weights) {
    const std::array ends{0, 255};
    return std::all_of(ends.begin(), ends.end(), [&](int first) {
        return std::all_of(ends.begin(), ends.end(), [&](int second) {
            const int sum = first * weights[0] + second * weights[1];
            return sum >= -32768 && sum <= 32767;
        });
    });
}

}  // namespace

TEST_CASE("every pair of weights becomes two that no input saturates") {
    int wrong = 0, moved = 0;
    for (int first = -128; first <= 127; ++first) {
        for (int second = -128; second <= 127; ++second) {
            const Pair whole{std::int8_t(first), std::int8_t(second)};
            Pair step = whole, rest{0, 0};
            const bool has_any = move_excess(step, rest);
            const bool is_whole = step[0] + rest[0] == whole[0] && step[1] + rest[1] == whole[1];
            wrong += !is_whole || !holds(step) || !holds(rest) || has_any == holds(whole);
            moved += has_any;
        }
    }
    CHECK(wrong == 0);
    // Two of one sign, from 1 to 127 or from -1 to -128, whose magnitudes add up to more than 128.
    CHECK(moved == 126 * 127 / 2 + 128 * 129 / 2);
}

TEST_CASE("steps with pairs that saturate are found once each, in order") {
    const std::vector<std::int8_t> steps = {
        64, 64,  0,    0,    // the most that fits
        65, 64,  100,  100,  // both pairs
        64, -65, -64,  -64,  // signs differ
        0,  0,   -128, -1,   // the second pair
    };
    CHECK(find_excess(steps, 4) == std::vector<std::int32_t>{1, 3});
    CHECK(find_excess(steps, 8) == std::vector<std::int32_t>{0, 1});
}
