#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// Register tile of a depthwise convolution; the numbers live in schedules/tuned/<target>.json.
struct DepthwiseConvParams {
    int pixels;   ///< outputs a tile, of a row or of the list
    int vectors;  ///< vectors of channels a tile
    int rows;     ///< rows of outputs whose channels of a block are computed one after another
    int lanes;    ///< floats a vector
    bool unroll;  ///< the taps, whose number is known
};

/// What is arranged: `output` (channel, x, y) reads `products` (channel, x, y), or scatters over
/// the list those of (channel, pixel of a tile, tile).
struct DepthwiseConvFuncs {
    Halide::Func output, products;
    Halide::Var channel, x, y;
    Halide::RDom taps;  ///< x: columns, y: rows
    Halide::RDom list;  ///< x: pixel of the tile, y: tile; of the list's form alone
};

/// All outputs of the map; where one of `forms` holds, in a loop without jumps.
void schedule_depthwise_conv(DepthwiseConvFuncs funcs, const DepthwiseConvParams& params,
                             const std::vector<Halide::Expr>& forms);
/// The outputs of a list.
void schedule_depthwise_list(DepthwiseConvFuncs funcs, const DepthwiseConvParams& params);

}  // namespace sluice::schedules
