#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::generators {

/// Winograd's minimal filtering F(side, 3), side 2 or 4, on the points 0, 1, -1 and infinity, and for
/// side 4 also 2 and -2 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
/// 2016, section 4.1). Two dimensions take each transform twice. The weights' transform is the
/// runtime's: plan/winograd_weights.cpp.
constexpr int winograd_points(int side) { return side + 2; }

/// B^T d, for as many points as there are inputs.
inline std::vector<Halide::Expr> transform_inputs(const std::vector<Halide::Expr>& d) {
    if (d.size() == winograd_points(2)) {
        return {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]};
    }
    const Halide::Expr even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const Halide::Expr even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
    return {4 * d[0] - 5 * d[2] + d[4], even + odd,  even - odd,
            even2 + odd2,               even2 - odd2, 4 * d[1] - 5 * d[3] + d[5]};
}

/// A^T m: `side` outputs.
inline std::vector<Halide::Expr> transform_products(const std::vector<Halide::Expr>& m) {
    const Halide::Expr sum = m[1] + m[2], difference = m[1] - m[2];
    if (m.size() == winograd_points(2)) {
        return {m[0] + sum, difference - m[3]};
    }
    const Halide::Expr sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    return {m[0] + sum + sum2, difference + 2 * difference2, sum + 4 * sum2,
            difference + 8 * difference2 + m[5]};
}

}  // namespace sluice::generators
