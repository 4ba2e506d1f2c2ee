#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// The numbers live in schedules/tuned/<target>.json.
struct BranchParams {
    int tile;    ///< output pixels of a row a tile
    int unroll;  ///< vectors of a patch row a loop iteration; 1 where its length is not known
};

/// What schedule_branch arranges. `products` sums, and `output` is computed from it.
struct BranchFuncs {
    Halide::Func output;
    Halide::Func products;
    Halide::Var x, y;
    Halide::RDom taps;  ///< x: lanes of a vector, y: vectors of a patch row, z: patch rows
    Halide::Expr stride_x;
};

void schedule_branch(BranchFuncs funcs, const BranchParams& params);

}  // namespace sluice::schedules
