#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_positions arranges: four outputs. `offsets` is a scan over `map`, row after row,
/// and the other three read it.
struct PositionsFuncs {
    Halide::Func active, skipped, counts, offsets;
    Halide::RDom map;
};

void schedule_positions(PositionsFuncs funcs);

}  // namespace sluice::schedules
