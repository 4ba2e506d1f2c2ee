#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// A part of each patch row, that a pixel's dot product sums in vectors of one length.
struct Int8BranchPart {
    Halide::Func products;
    Halide::RDom taps;  ///< x: bytes of a lane, y: lanes of a vector, z: vectors, w: patch rows
};

/// What schedule_int8_branch arranges; `output` is computed from the sum of the parts.
struct Int8BranchFuncs {
    Halide::Func output;
    std::vector<Int8BranchPart> parts;
    Halide::Var x, y;
    Halide::Expr stride_x;
};

/// `tile`: output pixels of a row that are computed together.
void schedule_int8_branch(Int8BranchFuncs funcs, int tile);

}  // namespace sluice::schedules
