#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_int8_branch arranges. `products` sums, and `output` is computed from it.
struct Int8BranchFuncs {
    Halide::Func output;
    Halide::Func products;
    Halide::Var x, y;
    Halide::RDom taps;  ///< x: bytes of a lane, y: lanes of a vector, z: vectors, w: patch rows
    Halide::Expr stride_x;
};

/// `tile`: output pixels of a row that are computed together.
void schedule_int8_branch(Int8BranchFuncs funcs, int tile);

}  // namespace sluice::schedules
