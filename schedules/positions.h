#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// The number lives in schedules/tuned/<target>.json.
struct PositionsParams {
    int unroll;  ///< positions of a row a loop iteration
};

/// What schedule_positions arranges: four outputs. `offsets` is a scan over `map`, row after row,
/// and the other three read it.
struct PositionsFuncs {
    Halide::Func active, skipped, counts, offsets;
    Halide::RDom map;
    Halide::Expr stride_x;  ///< of the gate map
};

void schedule_positions(PositionsFuncs funcs, const PositionsParams& params);

}  // namespace sluice::schedules
