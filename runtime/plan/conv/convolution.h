#pragma once

#include <string>

#include "plan/planner.h"

namespace sluice {

/// A fused convolution as the ways of computing it see it.
struct Convolution {
    const Node& node;
    const FusedConv& conv;
    /// What its kernels have to fit, with all of its output channels or those of one group's call.
    ConvLayer layer;
    /// The form of gate that its kernels multiply by: none, position or element.
    GateForm gate_form = GateForm::none;
    /// (x * channel stride + c, y), from the halo's first element that the padding reaches.
    Buffer input;
    std::int64_t channel_stride = 1;  ///< of the input
    /// (k, x >> gate_shift, y >> gate_shift); of position gates k = 0 alone is read.
    Buffer gate;
    std::int32_t gate_shift = 0;
    Buffer residual;  ///< (k, x, y); strides of zero over a row of zeros where there is none
    Buffer output;    ///< (k, x, y), the lanes beside the channels with them
    std::int64_t outputs = 1;  ///< channels of the output, with those lanes
    /// Whether the output lies where the residual does, which skipped outputs then leave as it is.
    bool in_place = false;
    /// Whether it is a phase of a transposed layer, whose outputs lie between those of others.
    bool is_phase = false;
    /// Whether weights come from memory in each run, because those of the network are more than
    /// caches hold.
    bool reads_memory = false;
    std::string shape;  ///< "16x32x32 -> 16x32x32, 3x3"

    std::int64_t width() const { return output.axes[1].extent; }
    std::int64_t height() const { return output.axes[2].extent; }
    std::int64_t positions() const { return width() * height(); }
    std::int64_t channels() const { return conv.weights->shape[0]; }
    std::int64_t macs_per_output() const {
        const Shape& extents = conv.weights->shape;
        return extents[1] * extents[2] * extents[3];
    }
};

/// Output channels first .. first + count, which one call computes.
struct ChannelRange {
    std::int64_t first = 0, count = 0;
    std::int64_t channels = 0;  ///< without the lanes beside them
};

inline ChannelRange all_channels(const Convolution& c) { return {0, c.outputs, c.channels()}; }

/// Fails unless the node reads images whose layouts hold all that its kernels read, has no cropping
/// pads, and a map whose positions fit the 16 bits that a list gives each coordinate.
Status check_conv(const Planner& planner, const Node& node);

/// The input as a convolution's kernel reads it: see Convolution::input.
Buffer patches(const Layout& input, const FusedConv& conv);

/// The layer that a kernel has to fit; `outputs` are those of a call.
ConvLayer conv_layer(const Layout& input, const FusedConv& conv, const Layout& output,
                     std::int64_t outputs);

/// "16x32x32 -> 16x32x32, 3x3".
std::string conv_shape(const Layout& input, const Layout& output, const FusedConv& conv);

/// The node with its output in `output`, and no gate yet.
Convolution make_convolution(Planner& planner, const Node& node, const Layout& output);

/// Threads share out the output channels of a step, in `blocks` of them, where its weights are more
/// than 1 MiB: each then streams a part of them. Below that they share out the list.
bool splits_weights(const Step& step, std::int64_t blocks);

}  // namespace sluice
