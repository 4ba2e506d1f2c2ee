#pragma once

#include <optional>

#include "plan/conv/convolution.h"

/// A convolution of stride 2 is one of stride 1, with half the kernel's extents, over the four
/// phases of its input: pixels of even and odd rows and columns, side by side as channels.
/// Winograd's kernels compute the latter.
namespace sluice {

/// The convolution of stride 1 over the phases of a dense layer of stride 2, once they lie side by
/// side; none where a phase lacks pixels, or the input's pixels do not follow each other.
std::optional<ConvLayer> over_phases(const Convolution& c);

/// A copy of the input that lays its phases side by side.
struct PhaseCopy {
    Buffer from, to;
    Buffer phases;  ///< (x * channel stride + c, y), as kernels read the copy
};

/// Into memory with `channel_stride` for all four phases, for a kernel of `taps` a side.
PhaseCopy copy_of_phases(Planner& planner, const Convolution& c, std::int64_t taps,
                         std::int64_t channel_stride);

/// [K, C, k, k] -> [K, 4 channel_stride, ceil(k / 2), ceil(k / 2)], over the phases, zeros where
/// they lack a channel or a tap.
Constant phase_weights(const Constant& weights, std::int64_t channel_stride);

}  // namespace sluice
