#include "plan/winograd_weights.h"

#include <algorithm>
#include <numeric>

namespace sluice {
namespace {

/// A cache line of outputs, side by side so that the compiler makes vectors of them.
constexpr std::int64_t most_lanes = 16;
using Lanes = float[most_lanes];

/// G on three values `from_step` apart: side + 2 values `to_step` apart.
void transform(std::int64_t side, const Lanes* from, std::int64_t from_step, Lanes* to,
               std::int64_t to_step) {
    for (std::int64_t i = 0; i < most_lanes; ++i) {
        const float a = from[0][i], b = from[from_step][i], c = from[2 * from_step][i];
        if (side == 2) {
            to[0][i] = a;
            to[to_step][i] = (a + b + c) / 2;
            to[2 * to_step][i] = (a - b + c) / 2;
            to[3 * to_step][i] = c;
            continue;
        }
        const float outer = (a + c) / 6, outer2 = a / 24 + c / 6;
        to[0][i] = a / 4;
        to[to_step][i] = -outer - b / 6;
        to[2 * to_step][i] = b / 6 - outer;
        to[3 * to_step][i] = outer2 + b / 12;
        to[4 * to_step][i] = outer2 - b / 12;
        to[5 * to_step][i] = c;
    }
}

/// The taps of channel c of outputs first .. first + line, [tap][output].
void gather(const WindowWeights& weights, std::int64_t first, std::int64_t line, std::int64_t c,
            Lanes* taps) {
    for (std::int64_t k = 0; k < line; ++k) {
        const bool is_there = first + k < weights.outputs && c < weights.channels;
        const float* from = weights.data + ((first + k) * weights.channels + c) * 9;
        const float scale = is_there && weights.scale != nullptr ? weights.scale[first + k] : 1;
        for (std::int64_t tap = 0; tap < 9; ++tap) {
            taps[tap][k] = is_there ? scale * from[tap] : 0;
        }
    }
}

}  // namespace

void transform_weights(const WindowWeights& weights, const WinogradLayout& layout, float* packed) {
    const std::int64_t side = layout.side, block = layout.block, points = winograd_points(side);
    const std::int64_t matrix = layout.pitch * block, line = std::gcd(block, most_lanes);
    Lanes taps[9] = {}, lines[18] = {}, transformed[winograd_points(4)] = {};
    for (std::int64_t first = 0; first < layout.outputs; first += line) {
        float* const at = packed + first / block * points * matrix + first % block;
        for (std::int64_t c = 0; c < layout.pitch; ++c) {
            gather(weights, first, line, c, taps);
            for (std::int64_t x = 0; x < 3; ++x) {
                transform(side, taps + x, 3, lines + x, 3);
            }
            for (std::int64_t y = 0; y < side + 2; ++y) {
                transform(side, lines + 3 * y, 1, transformed + (side + 2) * y, 1);
            }
            for (std::int64_t point = 0; point < points; ++point) {
                std::copy_n(transformed[point], line, at + point * matrix + c * block);
            }
        }
    }
}

}  // namespace sluice
