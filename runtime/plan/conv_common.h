#pragma once

#include "plan/builder.h"

namespace sluice {

/// Fails unless the convolution reads pictures whose layouts hold all that its kernels read, has no
/// cropping pads, and a map whose positions fit the 16 bits that a list gives each coordinate.
Status check_conv(const Builder& builder, const Node& node);

/// The input as a convolution's kernel reads it: (x * pitch + c, y) from the halo's first element
/// that this convolution's own padding reaches.
Buffer patches(const Layout& input, const FusedConv& conv);

/// Extent of a square kernel, else -1.
int square_kernel(const FusedConv& conv);

/// The layer for find_conv; `outputs` is that of a call.
ConvLayer conv_layer(const Layout& input, const FusedConv& conv, const Layout& output,
                     std::int64_t outputs);

/// MACs of one output element.
std::int64_t macs_per_output(const FusedConv& conv);

/// "16x32x32 -> 16x32x32 3x3".
std::string conv_shape(const Layout& input, const Layout& output, const FusedConv& conv);

/// What all calls of one convolution share; output channels are cropped for group gates.
struct Conv {
    const Node& node;
    const FusedConv& conv;
    const Kernel* kernel;
    const Kernel* winograd;  ///< null where the kernel alone computes it
    ConvLayer layer;         ///< with all output channels
    Buffer input;
    /// As the kernel and as Winograd's reads them; where nothing calls it, a buffer without axes.
    Buffer weights, transformed;
    Buffer epilogue, gate, residual, output;
    Buffer winograd_epilogue;
    Clamp winograd_post;
    std::int64_t outputs;  ///< channels of the pitch
    std::string shape;
    std::int64_t input_pitch;
    std::string remark;           ///< printed with the step that computes all outputs
    std::int32_t gate_shift = 0;  ///< from outputs to values of `gate` along x and y, in bits
};

/// Channels first .. first + count of a buffer (channel, ...).
Buffer from_channel(Buffer buffer, std::int64_t first, std::int64_t count);

/// Weights [K, C, kh, kw] -> (kx * pitch + c, ky, k), zeros where the pitch has no channel.
Buffer pack_rows(Builder& builder, const FusedConv& conv, std::int64_t pitch);

/// Beyond this, threads share out the weights rather than the positions: each then streams a part.
constexpr std::int64_t split_weights_from = std::int64_t{1} << 18;  // elements, 1 MiB
inline bool splits_weights(const Step& step, std::int64_t blocks) {
    return blocks > 1 && step.packed_bytes / 4 >= split_weights_from;
}

// pack_conv.cpp
/// Packs taps for a direct kernel of `block` outputs: (k % block, kx * pitch + c, ky, k / block).
Buffer pack_taps(Builder& builder, const Conv& c, std::int64_t block);
/// Packs the direct kernel's weights.
void pack_direct(Builder& builder, Conv& c);
/// Packs `weights` [K, channels of the phases, taps, taps] for Winograd's kernel.
void pack_transformed(Builder& builder, Conv& c, const Constant& weights);
/// Whether Winograd's kernel can read the direct one's taps: of F(2x2, 3x3), four are points.
bool can_share_taps(const Conv& c);
/// Packs what both kernels read in one piece, with the scale in it: for the epilogue none remains.
void pack_together(Builder& builder, Conv& c);

// lower_conv.cpp
/// The arguments of gated_conv and dot_conv, for output channels first .. first + count.
std::vector<Argument> conv_arguments(const Conv& c, const Buffer& list, const Buffer& weights,
                                     std::int64_t first, std::int64_t count);
/// The direct kernel's call over a list, for output channels first .. first + count.
Step conv_step(const Conv& c, std::int64_t first, std::int64_t count, const Buffer& list);
/// The convolution at all positions.
Step dense_step(Builder& builder, const Conv& c);
// lower_gated.cpp
/// What outputs hold where their gate is closed, at the squares of a list: one of `side` outputs
/// for each gate.
Result<Step> fill_step(const Builder& builder, const Conv& c, std::int64_t first,
                       std::int64_t count, const Buffer& list, std::int64_t side = 1);
/// A gate a position for each of `groups` of the `channels`.
Status emit_gated(Builder& builder, Conv c, std::int64_t groups, std::int64_t channels);
/// A gate for every tile of outputs that Winograd computes.
Status emit_tiled(Builder& builder, Conv c);
/// A gate for every tile that no kernel computes: it becomes one a position.
Status emit_expanded(Builder& builder, Conv c);
// lower_winograd.cpp
/// Winograd's kernel for a layer whose input it reads as it lies; null where there is none, or none
/// that pays with all of the outputs open, or the options want none.
const Kernel* find_winograd(const Builder& builder, GateForm gate, const ConvLayer& layer);
/// The one clamp that equals `act` and `post` of a node; none where both have to stand.
std::optional<Clamp> single_clamp(const Node& node);
/// The kernel found, null where a node's clamps are more than it has, or its weights are not
/// finite, which would spread from one output to its tile; `remark` then says so.
const Kernel* accept_winograd(const Kernel* found, const Node& node, std::string& remark);
/// What Winograd's kernel reads in place of weights and epilogue, and its clamp. `chooses`: each
/// run does so between this and the direct kernel, whose weights are then packed as well.
void prepare_winograd(Builder& builder, Conv& c, bool chooses);
/// The convolution at all positions, by Winograd.
Step dense_winograd_step(Builder& builder, const Conv& c);
/// At the tiles of a gate map that hold open positions, in runs where that pays.
Step gated_winograd_step(const Conv& c, std::int64_t first, std::int64_t count,
                         const TileLists& tiles);
/// At the open tiles of a gate that has one value a tile.
Step tiled_winograd_step(const Conv& c, const GateLists& tiles);
// lower_sparse.cpp
/// The kernel for the pairs of open inputs and open outputs, where the input comes from a layer
/// with a gate a position; null where it does not, or none serves.
const Kernel* find_sparse(const Builder& builder, const Conv& c);
/// The convolution over pairs, and what decides in each run between it, Winograd's kernel and the
/// direct one: an int32 each, 1 where a run takes it, else 0.
struct SparseSteps {
    Step step;
    Buffer pays, winograd_pays, direct_pays;
};
/// Emits the search for pairs by the lists of c.gate. `tiles`: null without Winograd's kernel.
SparseSteps sparse_steps(Builder& builder, const Conv& c, const Kernel& kernel,
                         const GateLists& lists, const TileLists* tiles);
// lower_phases.cpp
/// Gives a dense convolution of stride 2 over few channels a Winograd kernel, where there is one
/// that pays, for the stride-1 convolution over its input's phases; emits the copy to those.
Status copy_phases(Builder& builder, Conv& c);
/// [K, C, k, k] -> [K, 4 pitch, ceil(k / 2), ceil(k / 2)], over the phases, zeros where they lack a
/// channel or a tap.
Constant phase_weights(const Constant& weights, std::int64_t pitch);
// lower_element.cpp
/// A gate an element: each open element by itself where they are few, which each run decides, else
/// the dense convolution times the gate. Returns whether anything can be skipped.
Result<bool> emit_elements(Builder& builder, const Conv& c);

}  // namespace sluice
