#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// Register tile of a tap's GEMM; the numbers live in schedules/tuned/<target>.json.
struct SparseConvParams {
    int vectors;  ///< vectors of output channels a tile
    int lanes;    ///< floats a vector
    int unroll;   ///< channels of the input a loop iteration
};

/// What schedule_sparse_conv arranges. `sums` (lane, pixel, group) begins with the borders, then
/// takes the products in; `output` (channel, x, y) scatters over the list.
struct SparseConvFuncs {
    Halide::Func sums;
    Halide::Func products;  ///< (lane, pair of the tile, tile, tap, group)
    Halide::Func output;
    Halide::Var lane, group, channel, pixel;
    Halide::RDom begin;     ///< x: lane, y: output
    Halide::RDom list;      ///< x: pair of the tile, y: tile, z: tap
    Halide::RDom channels;  ///< of the input
    Halide::RDom finish;    ///< x: output
};

void schedule_sparse_conv(SparseConvFuncs funcs, const SparseConvParams& params);

}  // namespace sluice::schedules
