#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_pair_count arranges: three outputs. `around` is read by the scan `before`, and
/// that by `counts`.
struct PairCountFuncs {
    Halide::Func counts, around, before;
    Halide::RDom scan;  ///< x: tap, y: group of the row, z: row
};

void schedule_pair_count(PairCountFuncs funcs);

/// What schedule_kernel_map arranges: one output.
struct KernelMapFuncs {
    Halide::Func pairs;
    Halide::RDom write;  ///< x: position of the group, y: tap, z: group of the row, w: row
    Halide::RDom end;    ///< x: what follows the pairs, y: tap
};

void schedule_kernel_map(KernelMapFuncs funcs);

}  // namespace sluice::schedules
