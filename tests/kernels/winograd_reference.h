#pragma once

#include <cstddef>
#include <vector>

/// Winograd's F(2x2, 3x3) and F(4x4, 3x3) as Lavin and Gray write them ("Fast Algorithms for
/// Convolutional Neural Networks", CVPR 2016, section 4.1), and F(4x4, 2x2) and F(3x3, 4x4) by the
/// same construction (Toom and Cook) on the points 0, 1, -1, 2, and -2 for the latter: row i of G
/// is 1, p, p^2, ... over the product of p - q for the other finite points q, and the last row the
/// last tap. In matrices and double.
namespace sluice::kernel_test {

using Row = double[4];

constexpr Row winograd_G4_2[] = {
    {1.0 / 2, 0}, {-1.0 / 2, -1.0 / 2}, {-1.0 / 6, 1.0 / 6}, {1.0 / 6, 2.0 / 6}, {0, 1}};

constexpr Row winograd_G3_4[] = {
    {1.0 / 4, 0, 0, 0},
    {-1.0 / 6, -1.0 / 6, -1.0 / 6, -1.0 / 6},
    {-1.0 / 6, 1.0 / 6, -1.0 / 6, 1.0 / 6},
    {1.0 / 24, 2.0 / 24, 4.0 / 24, 8.0 / 24},
    {1.0 / 24, -2.0 / 24, 4.0 / 24, -8.0 / 24},
    {0, 0, 0, 1},
};

constexpr Row winograd_G2[] = {
    {1, 0, 0}, {1.0 / 2, 1.0 / 2, 1.0 / 2}, {1.0 / 2, -1.0 / 2, 1.0 / 2}, {0, 0, 1}};

constexpr Row winograd_G4[] = {
    {1.0 / 4, 0, 0},
    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
    {1.0 / 24, 1.0 / 12, 1.0 / 6},
    {1.0 / 24, -1.0 / 12, 1.0 / 6},
    {0, 0, 1},
};

/// Taps w [kernel, kernel] -> G w G^T [side + kernel - 1, side + kernel - 1].
inline std::vector<double> transformed(const float* w, int side, int kernel = 3) {
    const Row* g = kernel == 2   ? winograd_G4_2
                   : kernel == 4 ? winograd_G3_4
                   : side == 2   ? winograd_G2
                                 : winograd_G4;
    const int along = side + kernel - 1;
    std::vector<double> points(std::size_t(along * along));
    for (int i = 0; i < along; ++i) {
        for (int j = 0; j < along; ++j) {
            for (int y = 0; y < kernel; ++y) {
                for (int x = 0; x < kernel; ++x) {
                    points[std::size_t(along * i + j)] +=
                        g[i][y] * double(w[kernel * y + x]) * g[j][x];
                }
            }
        }
    }
    return points;
}

}  // namespace sluice::kernel_test
