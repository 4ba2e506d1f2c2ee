#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// Register tile of the indirect GEMM; the numbers live in schedules/tuned/<target>.json.
struct GatedConvParams {
    int pixels;   ///< positions of the list a tile
    int vectors;  ///< vectors of output channels a tile
    int lanes;    ///< floats a vector
    int unroll;   ///< steps of the reduction a loop iteration; 1 where its extent is not known
};

/// What schedule_gated_conv arranges. `output` scatters over the list, `products` accumulates.
struct GatedConvFuncs {
    Halide::Func output;
    Halide::Func products;
    Halide::Var channel, pixel;
    Halide::RDom list;  ///< x: pixel inside the tile, y: tile
    Halide::RDom taps;  ///< x: along a row of the patch (kx * C + c), y: rows (ky)
};

void schedule_gated_conv(GatedConvFuncs funcs, const GatedConvParams& params);

}  // namespace sluice::schedules
