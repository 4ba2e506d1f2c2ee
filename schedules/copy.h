#pragma once

#include <Halide.h>

namespace sluice::schedules {

struct CopyFuncs {
    Halide::Func output;
    Halide::Var d0, d1;
    Halide::Expr in0, in1, out0, out1;  ///< strides of the input and the output along d0 and d1
    Halide::Expr extent0;               ///< of d0
};

struct CopyParams {
    int lanes;  ///< floats a vector
};

/// Vectors along the dimension that is dense at both ends; where each end has its own (a transpose
/// of d0 and d1), along the one that is dense in d1.
void schedule_copy(CopyFuncs funcs, const CopyParams& params);

}  // namespace sluice::schedules
