#pragma once

#include <cstdint>

namespace sluice {

/// Points of Winograd's minimal filtering F(side x side, 3x3).
constexpr std::int64_t winograd_points(std::int64_t side) { return (side + 2) * (side + 2); }

/// Weights [outputs, channels, 3, 3], and a factor for each output; null: 1.
struct WindowWeights {
    const float* data;
    std::int64_t outputs, channels;
    const float* scale = nullptr;
};

/// (k % block, c, point, k / block), point = (side + 2) * (of y) + (of x): c below `pitch` and k
/// below `outputs`, of which those that the weights lack are zero.
struct WinogradLayout {
    std::int64_t side;  ///< 2 or 4
    std::int64_t pitch, outputs, block;
};

/// G w G^T of F(side x side, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
/// Networks", CVPR 2016, section 4.1), on the points of generators/winograd.h.
void transform_weights(const WindowWeights& weights, const WinogradLayout& layout, float* packed);

}  // namespace sluice
