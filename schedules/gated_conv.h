#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// Register tile of the indirect GEMM; the numbers live in schedules/tuned/<target>.json.
struct GatedConvParams {
    int vectors;  ///< vectors of output channels a tile
    int lanes;    ///< floats a vector
    int unroll;   ///< steps of the reduction a loop iteration; 1 where its extent is not known
};

/// A part of the list that is computed in tiles of one size.
struct GatedConvTiles {
    Halide::Func products;  ///< (channel, pixel of the tile, tile), accumulates
    Halide::RDom list;      ///< x: pixel of the tile, y: tile
    int pixels;             ///< positions of the list a tile
};

/// What schedule_gated_conv arranges. `output` scatters over the list, an update a part of it.
struct GatedConvFuncs {
    Halide::Func output;
    std::vector<GatedConvTiles> parts;
    Halide::Var channel, pixel;
    Halide::RDom taps;  ///< x: values of a run, y: runs of a row of the patch, z: rows (ky)
};

void schedule_gated_conv(GatedConvFuncs funcs, const GatedConvParams& params);

}  // namespace sluice::schedules
