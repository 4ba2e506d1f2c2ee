#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_fill arranges: `output` scatters over the list.
struct FillFuncs {
    Halide::Func output;
    Halide::Var channel;
    Halide::RDom list;         ///< x: column and y: row of a square, z: square
    Halide::Expr channels;     ///< extent of `channel`
    Halide::Expr side;         ///< of a square
    Halide::Expr no_residual;  ///< holds where the residual is one row for all positions
};

/// `lanes`: floats a vector.
void schedule_fill(FillFuncs funcs, int lanes);

}  // namespace sluice::schedules
