#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// The numbers live in schedules/tuned/<target>.json.
struct DotConvParams {
    int elements;  ///< of a tile
    int unroll;    ///< vectors of a patch row a loop iteration; 1 where its length is not known
};

/// What schedule_dot_conv arranges. `products` sums, and `output` scatters over the tiles.
struct DotConvFuncs {
    Halide::Func output;
    Halide::Func products;  ///< (element of the tile, tile)
    Halide::Var element, tile;
    Halide::RDom taps;   ///< x: lanes of a vector, y: vectors of a patch row, z: patch rows
    Halide::RDom tiles;  ///< x: element of the tile, y: tile
};

void schedule_dot_conv(DotConvFuncs funcs, const DotConvParams& params);

}  // namespace sluice::schedules
