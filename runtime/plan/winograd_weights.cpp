#include "plan/winograd_weights.h"

#include <algorithm>
#include <numeric>

namespace sluice {
namespace {

/// A cache line of outputs, side by side so that the compiler makes vectors of them.
constexpr std::int64_t most_lanes = 16;
using Lanes = float[most_lanes];

/// G of the points 0, 1, -1, 2, -2 and infinity, on three values `step` apart.
void transform(const Lanes* from, std::int64_t from_step, Lanes* to, std::int64_t to_step) {
    for (std::int64_t i = 0; i < most_lanes; ++i) {
        const float a = from[0][i], b = from[from_step][i], c = from[2 * from_step][i];
        const float outer = (a + c) / 6, outer2 = a / 24 + c / 6;
        to[0][i] = a / 4;
        to[to_step][i] = -outer - b / 6;
        to[2 * to_step][i] = b / 6 - outer;
        to[3 * to_step][i] = outer2 + b / 12;
        to[4 * to_step][i] = outer2 - b / 12;
        to[5 * to_step][i] = c;
    }
}

}  // namespace

void transform_weights(const float* weights, std::int64_t outputs_in, std::int64_t channels,
                       std::int64_t pitch, std::int64_t outputs, std::int64_t block,
                       float* packed) {
    const std::int64_t matrix = pitch * block, line = std::gcd(block, most_lanes);
    Lanes taps[9] = {}, lines[18] = {}, points[winograd_points] = {};
    for (std::int64_t first = 0; first < outputs; first += line) {
        float* const at = packed + first / block * winograd_points * matrix + first % block;
        for (std::int64_t c = 0; c < pitch; ++c) {
            for (std::int64_t k = 0; k < line; ++k) {
                const bool is_there = first + k < outputs_in && c < channels;
                const float* from = weights + ((first + k) * channels + c) * 9;
                for (std::int64_t tap = 0; tap < 9; ++tap) {
                    taps[tap][k] = is_there ? from[tap] : 0;
                }
            }
            for (std::int64_t x = 0; x < 3; ++x) {
                transform(taps + x, 3, lines + x, 3);
            }
            for (std::int64_t y = 0; y < 6; ++y) {
                transform(lines + 3 * y, 1, points + 6 * y, 1);
            }
            for (std::int64_t point = 0; point < winograd_points; ++point) {
                std::copy_n(points[point], line, at + point * matrix + c * block);
            }
        }
    }
}

}  // namespace sluice
