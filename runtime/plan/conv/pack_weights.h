#pragma once

#include "plan/conv/convolution.h"

/// Weights as the kernels of runtime/plan/conv read them.
namespace sluice {

/// (k, row): bias, scale, shift.
Buffer pack_epilogue(Constants& constants, const Convolution& c);
/// (k, row): bias, 1, shift for weights that hold the scale. The bias is scaled too, and without a
/// gate the shift is in it.
Buffer pack_scaled_epilogue(Constants& constants, const Convolution& c);

/// Taps for a direct kernel of `block` outputs: (k % block, kx * channel stride + c, ky, k /
/// block).
Buffer pack_taps(Constants& constants, const Convolution& c, std::int64_t block);
/// Rows for dot products: (kx * channel_stride + c, ky, k), zeros beyond the channels.
Buffer pack_rows(Constants& constants, const FusedConv& conv, std::int64_t channel_stride);
/// Scaled and transformed for a Winograd kernel: (k % block, c, point, k / block).
Buffer pack_points(Constants& constants, const Convolution& c, const Kernel& winograd);

/// Channels that a Winograd kernel sums over, those of all phases of its input.
std::int64_t winograd_depth(const Convolution& c);

/// Whether both kernels can read one piece: four of the points of F(2x2, 3x3) are taps.
bool can_share_taps(const Kernel& winograd, const Kernel& direct);
/// What both read, with the scale in it.
struct SharedWeights {
    Buffer taps, points;
};
SharedWeights pack_taps_and_points(Constants& constants, const Convolution& c, std::int64_t block);

}  // namespace sluice
