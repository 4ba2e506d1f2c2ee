#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_kernel_map arranges: four outputs. `around` is read by the scan `before`, that by
/// `counts`, and all three by `pairs`.
struct KernelMapFuncs {
    Halide::Func pairs, counts, around, before;
    Halide::RDom scan;   ///< x: tap, y: group of the row, z: row
    Halide::RDom write;  ///< x: position of the group, y: tap, z: group of the row, w: row
    Halide::RDom end;    ///< x: what follows the pairs, y: tap
};

void schedule_kernel_map(KernelMapFuncs funcs);

}  // namespace sluice::schedules
