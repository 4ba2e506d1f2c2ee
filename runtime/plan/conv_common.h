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

/// What all calls of one convolution share; output channels are cropped for group gates.
struct Conv {
    const Node& node;
    const FusedConv& conv;
    const Kernel* kernel;
    Buffer input, weights, epilogue, gate, residual, output;
    std::int64_t outputs;  ///< channels of the pitch
    std::string shape;
    std::int64_t input_pitch;
};

/// Channels first .. first + count of a buffer (channel, ...).
Buffer from_channel(Buffer buffer, std::int64_t first, std::int64_t count);

/// Weights [K, C, kh, kw] -> (kx * pitch + c, ky, k), zeros where the pitch has no channel.
Buffer pack_rows(Builder& builder, const FusedConv& conv, std::int64_t pitch);

// lower_conv.cpp
/// The arguments of gated_conv and dot_conv, for output channels first .. first + count.
std::vector<Argument> conv_arguments(const Conv& c, const Buffer& list, const Buffer& weights,
                                     std::int64_t first, std::int64_t count);
/// The convolution at all positions.
Step dense_step(Builder& builder, const Conv& c);
/// What outputs hold where their gate is closed, at the positions of a list.
Result<Step> fill_step(const Builder& builder, const Conv& c, std::int64_t first,
                       std::int64_t count, const Buffer& list);
// lower_element.cpp
/// A gate an element: each open element by itself where they are few, which each run decides, else
/// the dense convolution times the gate. Returns whether anything can be skipped.
Result<bool> emit_elements(Builder& builder, const Conv& c);

}  // namespace sluice
