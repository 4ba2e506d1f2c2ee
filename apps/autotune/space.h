#pragma once

#include <string>
#include <vector>

#include "autotune/numbers.h"

namespace sluice::autotune {

/// What bounds the schedules of one kernel.
struct Space {
    std::string generator;  ///< of those that is_tunable() names
    int registers = 16;     ///< vector registers of the target
    int lanes = 1;          ///< floats a vector
    /// Steps of the loop that `unroll` unrolls, which it must divide; 0 where run time decides.
    int row = 0;
    /// Convolutions: output channels that a tile's width must divide, so that every
    /// layer which the kernel serves is still served (find_conv in runtime/kernels/registry.cpp).
    int channels = 1;
    int points = 0;   ///< winograd_conv: of a tile
    int depth = 0;    ///< winograd_conv: channels of all phases
    int windows = 1;  ///< int8_depthwise: rows of outputs a tile
};

/// Vector registers of a Halide target string.
int count_registers(const std::string& halide_target);

/// Whether the generator has numbers that this program knows.
bool is_tunable(const std::string& generator);
/// Whether it computes convolutions, whose weights are packed by the tile's width.
bool is_conv(const std::string& generator);

/// The register budget and the divisors that `space` asks for. gated_conv: pixels * vectors
/// accumulators, `vectors` of weights and one broadcast input, as for sparse_conv, which has no
/// `tail`, and int8_conv; winograd_conv: rows * vectors likewise, and what a chunk keeps on the
/// stack; depthwise_conv, and times its windows int8_depthwise: pixels * vectors likewise, of which
/// few suffice; branch: `tile` accumulators, one of weights and one of inputs; linear: `parts`
/// likewise.
bool fits(const Space& space, const Numbers& numbers);

/// Where the search begins: for each width of a tile the most pixels that fit, and a few less.
/// Other keys of `present` are kept.
std::vector<Numbers> make_seeds(const Space& space, const Numbers& present);

/// One step away in one direction, those that fit; another width takes its own number of pixels.
std::vector<Numbers> make_neighbours(const Space& space, const Numbers& from);

}  // namespace sluice::autotune
