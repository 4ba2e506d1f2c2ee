#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// Along an axis cut into `parts` interleaved runs: `peaks` and `sums` hold one value a run, `peak`
/// and `sum` one for all.
struct SoftmaxFuncs {
    Halide::Func output;
    Halide::Func peaks, peak;
    Halide::Func sums, sum;
    Halide::Var part, inner, axis, outer;
    Halide::RDom steps, rest;        ///< of peaks and sums: all parts at once, then the last few
    Halide::Expr in_axis, out_axis;  ///< strides along the axis
};

struct SoftmaxParams {
    int parts;  ///< a vector: one run a lane
};

void schedule_softmax(SoftmaxFuncs funcs, const SoftmaxParams& params);

}  // namespace sluice::schedules
