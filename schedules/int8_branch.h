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

struct Int8BranchParams {
    int tile;      ///< output pixels of a row that are computed together
    int rows;      ///< likewise of a column, where the window and the channels are known
    int together;  ///< of a row, neighbours whose channels fill one vector
    int kernel;    ///< extent of the window, where it is known and maps have a tile; else 0
};

void schedule_int8_branch(Int8BranchFuncs funcs, const Int8BranchParams& params);

}  // namespace sluice::schedules
