#pragma once

#include <cstddef>
#include <vector>

/// Winograd's F(2x2, 3x3) and F(4x4, 3x3) as Lavin and Gray write them ("Fast Algorithms for
/// Convolutional Neural Networks", CVPR 2016, section 4.1), in matrices and double.
namespace sluice::kernel_test {

using Row = double[3];

constexpr Row winograd_G2[] = {{1, 0, 0}, {1.0 / 2, 1.0 / 2, 1.0 / 2}, {1.0 / 2, -1.0 / 2, 1.0 / 2},
                               {0, 0, 1}};

constexpr Row winograd_G4[] = {
    {1.0 / 4, 0, 0},
    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
    {1.0 / 24, 1.0 / 12, 1.0 / 6},
    {1.0 / 24, -1.0 / 12, 1.0 / 6},
    {0, 0, 1},
};

/// Taps w [3, 3] -> G w G^T [side + 2, side + 2].
inline std::vector<double> transformed(const float* w, int side) {
    const Row* g = side == 2 ? winograd_G2 : winograd_G4;
    const int along = side + 2;
    std::vector<double> points(std::size_t(along * along));
    for (int i = 0; i < along; ++i) {
        for (int j = 0; j < along; ++j) {
            for (int y = 0; y < 3; ++y) {
                for (int x = 0; x < 3; ++x) {
                    points[std::size_t(along * i + j)] += g[i][y] * double(w[3 * y + x]) * g[j][x];
                }
            }
        }
    }
    return points;
}

}  // namespace sluice::kernel_test
