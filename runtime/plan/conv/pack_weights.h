#pragma once

#include "plan/conv/convolution.h"

/// Weights as the kernels of runtime/plan/conv read them.
namespace sluice {

/// (k, row): bias, scale, shift.
Buffer pack_epilogue(Constants& constants, const Convolution& c);
/// (k, row): bias, 1, shift for weights that hold the scale. The bias is scaled too, and without a
/// gate the shift is in it.
Buffer pack_scaled_epilogue(Constants& constants, const Convolution& c);

/// What a direct kernel multiplies for each block of outputs: consecutive channels of the input,
/// with weights of zero where a block holds outputs of several groups.
struct BlockInputs {
    std::int64_t channels;             ///< of each block
    std::vector<std::int32_t> starts;  ///< the first one, by block
};
BlockInputs block_inputs(const Convolution& c, std::int64_t block);

/// Taps for a direct kernel: (k % lanes, value of a run, run, ky, k / lanes). A row of a patch is
/// one run of kx * channel stride + c; of layers with groups or dilation along x it is a run for
/// each kx.
Buffer pack_taps(Constants& constants, const Convolution& c, const Kernel& kernel);
/// The same of a layer of one run, times its scale.
Buffer pack_scaled_taps(Constants& constants, const Convolution& c, std::int64_t lanes);
/// (k / block): the first channel that a direct kernel reads for a block of outputs.
Buffer pack_starts(Constants& constants, const Convolution& c, std::int64_t block);
/// Taps for a depthwise kernel: (k % block, kx, ky, k / block).
Buffer pack_channels(Constants& constants, const Convolution& c, std::int64_t block);
/// Rows for dot products: (kx * channel_stride + c, ky, k), zeros beyond the channels.
Buffer pack_rows(Constants& constants, const FusedConv& conv, std::int64_t channel_stride);
/// Scaled and transformed for a Winograd kernel: (k % lanes, c, point, k / lanes).
Buffer pack_points(Constants& constants, const Convolution& c, const Kernel& winograd);

/// Channels that a Winograd kernel sums over, those of all phases of its input.
std::int64_t winograd_depth(const Convolution& c);

/// Whether both kernels can read one piece: four of the points of F(2x2, 3x3) are taps.
bool can_share_taps(const Kernel& winograd, const Kernel& direct);
/// What both read, with the scale in it.
struct SharedWeights {
    Buffer taps, points;
};
SharedWeights pack_taps_and_points(Constants& constants, const Convolution& c,
                                   const Kernel& winograd);

}  // namespace sluice
