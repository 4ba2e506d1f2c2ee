#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::generators {

/// Winograd's minimal filtering F(side, kernel): F(2, 3) on the points 0, 1, -1 and infinity, F(4,
/// 2) on these and 2, F(4, 3) and F(3, 4) on these and 2 and -2 (Lavin and Gray, "Fast Algorithms
/// for Convolutional Neural Networks", CVPR 2016, section 4.1). Two dimensions take each transform
/// twice. The weights' transform is the runtime's: plan/winograd_weights.cpp.
constexpr int winograd_points(int side, int kernel) { return side + kernel - 1; }

/// B^T d, for as many points as there are inputs.
inline std::vector<Halide::Expr> transform_inputs(const std::vector<Halide::Expr>& d) {
    if (d.size() == winograd_points(2, 3)) {
        return {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]};
    }
    if (d.size() == winograd_points(4, 2)) {
        const Halide::Expr odd = d[3] - d[1];
        return {2 * (d[0] - d[2]) + odd, odd - (d[1] + d[2]), odd + 3 * (d[1] - d[2]), odd,
                d[4] - d[2] - 2 * odd};
    }
    const Halide::Expr even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const Halide::Expr even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
    return {4 * d[0] - 5 * d[2] + d[4], even + odd, even - odd, even2 + odd2, even2 - odd2,
            4 * d[1] - 5 * d[3] + d[5]};
}

/// A^T m: `side` outputs.
inline std::vector<Halide::Expr> transform_products(const std::vector<Halide::Expr>& m, int side) {
    const Halide::Expr sum = m[1] + m[2], difference = m[1] - m[2];
    if (side == 2) {
        return {m[0] + sum, difference - m[3]};
    }
    if (m.size() == winograd_points(4, 2)) {
        return {m[0] + sum + m[3], difference + 2 * m[3], sum + 4 * m[3],
                difference + 8 * m[3] + m[4]};
    }
    const Halide::Expr sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    std::vector<Halide::Expr> outputs = {m[0] + sum + sum2, difference + 2 * difference2,
                                         sum + 4 * sum2, difference + 8 * difference2};
    outputs.resize(std::size_t(side));
    outputs.back() += m[5];
    return outputs;
}

}  // namespace sluice::generators
