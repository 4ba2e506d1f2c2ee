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

/// (k % block, c, point, k / block), point = (side + kernel - 1) * (of y) + (of x): c below `pitch`
/// and k below `outputs`, of which those that the weights lack are zero.
struct WinogradLayout {
    std::int64_t side;  ///< 2 or 4 for kernels of 3, 4 for those of 2, 3 for those of 4
    std::int64_t pitch, outputs, block;
};

/// G w G^T of F(side x side, kernel x kernel) (Lavin and Gray, "Fast Algorithms for Convolutional
/// Neural Networks", CVPR 2016, section 4.1), on the points of generators/winograd.h.
void transform_weights(const WindowWeights& weights, const WinogradLayout& layout, float* packed);

}  // namespace sluice
