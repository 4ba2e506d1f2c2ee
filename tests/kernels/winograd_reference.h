#pragma once

#include <array>
#include <cstddef>

/// Winograd's F(4x4, 3x3) as Lavin and Gray write it ("Fast Algorithms for Convolutional Neural
/// Networks", CVPR 2016, section 4.1), in matrices and double.
namespace sluice::kernel_test {

/// A tile's outputs along an extent, and its points.
constexpr int tile_side = 4, tile_points = 6;

constexpr double winograd_G[tile_points][3] = {
    {1.0 / 4, 0, 0},
    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
    {1.0 / 24, 1.0 / 12, 1.0 / 6},
    {1.0 / 24, -1.0 / 12, 1.0 / 6},
    {0, 0, 1},
};

/// Taps w [3, 3] -> G w G^T [6, 6].
inline std::array<double, 36> transformed(const float* w) {
    std::array<double, 36> points{};
    for (int i = 0; i < tile_points; ++i) {
        for (int j = 0; j < tile_points; ++j) {
            for (int y = 0; y < 3; ++y) {
                for (int x = 0; x < 3; ++x) {
                    points[std::size_t(tile_points * i + j)] +=
                        winograd_G[i][y] * double(w[3 * y + x]) * winograd_G[j][x];
                }
            }
        }
    }
    return points;
}

}  // namespace sluice::kernel_test
