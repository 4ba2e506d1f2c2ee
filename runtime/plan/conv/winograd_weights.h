#pragma once

#include <cstdint>

namespace sluice {

/// Points of Winograd's minimal filtering F(side x side, kernel x kernel).
constexpr std::int64_t winograd_points(std::int64_t side, std::int64_t kernel) {
    return (side + kernel - 1) * (side + kernel - 1);
}

/// Weights [outputs, channels, kernel, kernel], and a factor for each output; null: 1.
struct WindowWeights {
    const float* data;
    std::int64_t outputs, channels;
    std::int64_t kernel = 3;  ///< 2, 3 or 4
    const float* scale = nullptr;
};

/// (k % lanes, c, matrix, k / lanes): c below `channel_stride` and k below `outputs`, of which
/// those that the weights lack are zero. Matrix (side + kernel - 1) * (of y) + (of x) is a point's.
struct WinogradLayout {
    std::int64_t side;  ///< 2 or 4 for kernels of 3, 4 for those of 2, 3 for those of 4
    std::int64_t channel_stride, outputs;
    std::int64_t lanes;  ///< a divisor of packed_outputs
    /// With F(2x2, 3x3): the first nine matrices are a direct kernel's, which stand there, since
    /// the corner points are taps. Behind them are the other points.
    bool beside_taps = false;
};

/// Matrices of a panel of outputs that serve both kernels.
constexpr std::int64_t matrices_beside_taps = 9 + winograd_points(2, 3) - 4;

/// G w G^T of F(side x side, kernel x kernel) (Lavin and Gray, "Fast Algorithms for Convolutional
/// Neural Networks", CVPR 2016, section 4.1), on the points of generators/winograd.h.
void transform_weights(const WindowWeights& weights, const WinogradLayout& layout, float* packed);

/// The same for one of packed_parts(outputs) alone. Throws nothing.
void transform_part(const WindowWeights& weights, const WinogradLayout& layout, std::int64_t part,
                    float* packed);

}  // namespace sluice
