#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// Register tile of a depthwise convolution of bytes; the numbers live in
/// schedules/tuned/<target>.json.
struct Int8DepthwiseParams {
    int pixels;   ///< outputs of a row a tile
    int vectors;  ///< vectors of channels a tile
    int rows;     ///< rows of tiles whose channels of a block are computed one after another
    int lanes;    ///< sums a vector
    int dot;      ///< rows of the input that an instruction multiplies and sums
    int windows;  ///< rows of outputs a tile
    int kernel;   ///< side of the window; 0 where it is not known
    int step;     ///< the stride; 0 where it is not known
};

/// What is arranged: `output` (channel, x, y) reads `products` (channel, x, window, tiles of rows),
/// which read `bytes` (row of a group, channel, x, tap, group, tiles of rows).
struct Int8DepthwiseFuncs {
    Halide::Func output, bytes, products;
    Halide::Var channel, x, y, window, row, tap, group;
    Halide::RDom taps;                ///< x: rows of a group, y: columns, z: groups
    std::vector<Halide::Expr> cases;  ///< in which computing the output takes less, likeliest first
};

void schedule_int8_depthwise(Int8DepthwiseFuncs funcs, const Int8DepthwiseParams& params);

}  // namespace sluice::schedules
