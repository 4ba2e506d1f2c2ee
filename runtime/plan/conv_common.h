#pragma once

#include "plan/builder.h"

namespace sluice {

/// Fails unless the convolution reads pictures, has finite weights, no cropping pads, and a map
/// whose positions fit the 16 bits that a list gives each coordinate.
Status check_conv(const Builder& builder, const Node& node);

/// The input as a convolution's kernel reads it: (x * pitch + c, y) from the halo's first element
/// that this convolution's own padding reaches.
Buffer patches(const Layout& input, const FusedConv& conv);

/// Kernel extent for find_conv: that of a square kernel, else -1, which only shape-generic kernels
/// serve.
int square_kernel(const FusedConv& conv);

/// MACs of one output element.
std::int64_t macs_per_output(const FusedConv& conv);

/// "16x32x32 -> 16x32x32 3x3".
std::string conv_shape(const Layout& input, const Layout& output, const FusedConv& conv);

}  // namespace sluice
