#pragma once

#include <cstdint>

namespace sluice {

constexpr std::int64_t winograd_points = 36;

/// Weights [K, C, 3, 3] -> G w G^T of F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional
/// Neural Networks", CVPR 2016, section 4.1): (k % block, c, point, k / block), point = 6 * (of y) +
/// (of x), zeros beyond K and C. `pitch` and `outputs` are C and K of the packed form.
void transform_weights(const float* weights, std::int64_t outputs_in, std::int64_t channels,
                       std::int64_t pitch, std::int64_t outputs, std::int64_t block, float* packed);

}  // namespace sluice
