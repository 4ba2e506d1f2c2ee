#include "plan/conv/winograd_weights.h"

#include <algorithm>
#include <array>

#include "plan/conv/panels.h"

namespace sluice {
namespace {

/// Outputs side by side, so that the compiler makes vectors of them.
using Line = float[packed_outputs];

constexpr std::int64_t most_kernel = 4, most_along = 6;

/// Values a fixed step apart.
struct Values {
    Line* first;
    std::int64_t step;
    Line& operator[](std::int64_t i) const { return first[i * step]; }
};

/// G of F(2, 3), on three values: four.
void transform_4(Values from, Values to) {
    for (std::int64_t i = 0; i < packed_outputs; ++i) {
        const float a = from[0][i], b = from[1][i], c = from[2][i];
        to[0][i] = a;
        to[1][i] = (a + b + c) / 2;
        to[2][i] = (a - b + c) / 2;
        to[3][i] = c;
    }
}

/// G of F(4, 2), on two values: five.
void transform_5(Values from, Values to) {
    for (std::int64_t i = 0; i < packed_outputs; ++i) {
        const float a = from[0][i], b = from[1][i];
        to[0][i] = a / 2;
        to[1][i] = -(a + b) / 2;
        to[2][i] = (b - a) / 6;
        to[3][i] = (a + 2 * b) / 6;
        to[4][i] = b;
    }
}

/// G of F(4, 3) or F(3, 4), on `kernel` values: six.
void transform_6(std::int64_t kernel, Values from, Values to) {
    for (std::int64_t i = 0; i < packed_outputs; ++i) {
        const float a = from[0][i], b = from[1][i], c = from[2][i];
        const float d = kernel == 4 ? from[3][i] : 0;
        const float even = (a + c) / 6, odd = (b + d) / 6;
        const float even2 = a / 24 + c / 6, odd2 = b / 12 + d / 3;
        to[0][i] = a / 4;
        to[1][i] = -even - odd;
        to[2][i] = odd - even;
        to[3][i] = even2 + odd2;
        to[4][i] = even2 - odd2;
        to[5][i] = kernel == 4 ? d : c;
    }
}

/// The taps of channel c of outputs first .. first + line, [tap][output].
void gather(const WindowWeights& weights, std::int64_t first, std::int64_t line, std::int64_t c,
            Line* taps) {
    const std::int64_t count = weights.kernel * weights.kernel;
    for (std::int64_t k = 0; k < line; ++k) {
        const bool is_there = first + k < weights.outputs && c < weights.channels;
        const float* from = weights.data + ((first + k) * weights.channels + c) * count;
        const float scale = is_there && weights.scale != nullptr ? weights.scale[first + k] : 1;
        for (std::int64_t tap = 0; tap < count; ++tap) {
            taps[tap][k] = is_there ? scale * from[tap] : 0;
        }
    }
}

/// The matrix of each point; -1 for those that are taps.
std::array<std::int64_t, most_along * most_along> matrices_of(const WinogradLayout& layout,
                                                              std::int64_t kernel) {
    const std::int64_t points = winograd_points(layout.side, kernel);
    std::array<std::int64_t, most_along * most_along> matrices;
    matrices.fill(-1);
    const std::int64_t last = layout.side + kernel - 2;
    std::int64_t next = layout.beside_taps ? kernel * kernel : 0;
    for (std::int64_t point = 0; point < points; ++point) {
        const std::int64_t x = point % (last + 1), y = point / (last + 1);
        const bool is_corner = (x == 0 || x == last) && (y == 0 || y == last);
        if (!layout.beside_taps || !is_corner) {
            matrices[std::size_t(point)] = next++;
        }
    }
    return matrices;
}

}  // namespace

void transform_weights(const WindowWeights& weights, const WinogradLayout& layout, float* packed) {
    for (std::int64_t part = 0; part < packed_parts(layout.outputs); ++part) {
        transform_part(weights, layout, part, packed);
    }
}

void transform_part(const WindowWeights& weights, const WinogradLayout& layout, std::int64_t part,
                    float* packed) {
    const std::int64_t side = layout.side, kernel = weights.kernel, along = side + kernel - 1;
    const std::int64_t points = winograd_points(side, kernel), lanes = layout.lanes;
    const std::int64_t matrix = layout.channel_stride * lanes;
    const std::int64_t panel = matrix * (layout.beside_taps ? matrices_beside_taps : points);
    const auto matrices = matrices_of(layout, kernel);
    const auto transform = [&](Values from, Values to) {
        if (kernel == 2) {
            transform_5(from, to);
        } else if (side == 2) {
            transform_4(from, to);
        } else {
            transform_6(kernel, from, to);
        }
    };
    Line taps[most_kernel * most_kernel] = {}, lines[most_along * most_kernel] = {};
    Line transformed[most_along * most_along] = {};
    const std::int64_t first = part * packed_outputs;
    const std::int64_t count = std::min(packed_outputs, layout.outputs - first);
    for (std::int64_t c = 0; c < layout.channel_stride; ++c) {
        gather(weights, first, count, c, taps);
        for (std::int64_t x = 0; x < kernel; ++x) {
            transform({taps + x, kernel}, {lines + x, kernel});
        }
        for (std::int64_t y = 0; y < along; ++y) {
            transform({lines + kernel * y, 1}, {transformed + along * y, 1});
        }
        for (std::int64_t point = 0; point < points; ++point) {
            const std::int64_t number = matrices[std::size_t(point)];
            for (std::int64_t k = 0; number >= 0 && k < count; k += lanes) {
                std::copy_n(transformed[point] + k, lanes,
                            packed + (first + k) / lanes * panel + number * matrix + c * lanes);
            }
        }
    }
}

}  // namespace sluice
