#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_tiles arranges: four outputs. `before` is a scan, tile after tile, and the others
/// read it.
struct TilesFuncs {
    Halide::Func active, skipped, counts, before;
    Halide::RDom scan, write;  ///< x: column, y: row of the tile
};

void schedule_tiles(TilesFuncs funcs);

}  // namespace sluice::schedules
