#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// output(o, t, ...) is `sum`, whose update runs over i.
struct MatMulFuncs {
    Halide::Func output, sum;
    Halide::Var o, t;
    Halide::RDom i;
    Halide::Expr columns, rows;  ///< extents along o and t
};

struct MatMulParams {
    int lanes;  ///< floats a vector
};

/// Register tiles of `sum`: four rows by two vectors fill half of sixteen registers and leave room
/// for the operands. The last tile ends with the last row or column; what is smaller than a tile
/// has smaller ones.
void schedule_mat_mul(MatMulFuncs funcs, const MatMulParams& params);

}  // namespace sluice::schedules
