#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_positions arranges: four outputs. `groups` is a scan, row after row, and the other
/// three read it.
struct PositionsFuncs {
    Halide::Func active, skipped, counts, groups;
    Halide::Func mask;      ///< (group of the row, y), sums over `lanes`
    Halide::RDom scan;      ///< x: group of the row, y: row
    Halide::RDom lanes;     ///< positions of a group
    Halide::RDom sum;       ///< groups
    Halide::RDom write;     ///< x: position of the group, y: group of the row, z: row
    Halide::Expr stride_x;  ///< of the gate map
};

void schedule_positions(PositionsFuncs funcs);

}  // namespace sluice::schedules
