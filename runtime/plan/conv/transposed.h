#pragma once

#include <array>
#include <optional>
#include <vector>

#include "graph/graph.h"

/// A transposed convolution of stride s is s convolutions of its input along each axis, without a
/// zero between its values: each writes the outputs of one phase, s apart, by the taps that meet an
/// input there.
namespace sluice {

/// A convolution that writes outputs first[0] + i * distance[0] of the rows, and likewise columns.
struct OutputPhase {
    std::int64_t first[2];     ///< y, x
    std::int64_t distance[2];  ///< to the next output of the phase
    std::int64_t outputs[2];   ///< of the phase
    std::int64_t taps[2];      ///< 0: none along the axis meets an input
    std::int64_t first_tap[2],
        tap_step[2];           ///< of the layer's, of which the phase has every so many
    std::int64_t dilation[2];  ///< of the input
    std::int64_t pads[4];      ///< negative ones leave input out
};

/// All phases that have outputs, of a map of `input` and one of `output` rows and columns.
std::vector<OutputPhase> output_phases(const FusedConv& conv, const std::int64_t (&input)[2],
                                       const std::int64_t (&output)[2]);

/// The halo that a convolution reads around its input [C, H, W] to write its output [K, H', W'].
std::array<std::int64_t, 4> halo_of(const FusedConv& conv, const Shape& input, const Shape& output);

/// The layer that computes a phase, but for its output. The phase has taps along both axes.
FusedConv phase_conv(const FusedConv& conv, const OutputPhase& phase);

}  // namespace sluice
