#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// `total` sums `row`, which joins the `part`s of `partial`: update 0 over `steps`, update 1 over
/// `rest`.
struct ReduceFuncs {
    Halide::Func output, total, row, partial;
    Halide::Var kept, part;
    Halide::RDom steps, rest;
    Halide::Expr extent;             ///< along `kept`
    Halide::Expr in_kept, out_kept;  ///< strides along `kept`
    Halide::Expr in_reduced;         ///< stride along what is summed
};

struct ReduceParams {
    int lanes;  ///< floats a vector, and parts
};

/// A vector of outputs at a time, where they and their elements are neighbours; the parts of their
/// sums are in registers. The last vector ends with the last output.
void schedule_reduce_kept(ReduceFuncs funcs, const ReduceParams& params);

/// An output at a time, a part per lane.
void schedule_reduce_along(ReduceFuncs funcs, const ReduceParams& params);

}  // namespace sluice::schedules
