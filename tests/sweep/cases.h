#pragma once

#include <cstdint>

#include "sweep/layers.h"
#include "sweep/net.h"

namespace sluice::sweep {

/// Ways of drawing convolutions, taken in turn by the seed: of any kind, then of the kinds that
/// specialised kernels compute and of blocks, and from first_sparse_kind on depthwise ones, those
/// with groups or dilation and transposed ones, of which the last two run in float in a quantised
/// network.
constexpr std::uint64_t conv_kinds = 14, first_sparse_kind = 11, int8_conv_kinds = 12;

/// One to three convolutions in a row, drawn by the seed.
Net draw_convolutions(Random& random, std::uint64_t kind);

/// A layer of a kind from first_sparse_kind on: 0 depthwise, 1 with groups or dilation, 2
/// transposed.
void add_sparse_window(Net& net, std::uint64_t kind);
/// One or two residual blocks under a gate each, over an input of so many channels, and of about so
/// many multiply-accumulates.
void add_gated_blocks(Net& net, std::int64_t channels, std::int64_t macs);

/// A small graph of any operators that Sluice computes.
Net draw_graph(Random& random);

/// A float network quantised in one of the styles that files have. The scales suit its values.
Net quantised(const Net& net, Random& random);

/// A convolution of any kind over x; `most`: multiply-accumulates that it may take.
Layer draw_layer(Net& net, ValueId x, std::int64_t most);

}  // namespace sluice::sweep
