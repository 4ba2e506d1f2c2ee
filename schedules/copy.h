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

/// Of a generator's input and output (d0, d1, d2, d3), each value of the output from that of the
/// input: strides are any, and indices begin at 0.
template <typename Input, typename Output>
void schedule_copy_of(Input& input, Output& output, const Halide::Var& d0, const Halide::Var& d1,
                      const CopyParams& params) {
    input.dim(0).set_stride(Halide::Expr());
    output.dim(0).set_stride(Halide::Expr());
    for (int i = 0; i < 4; ++i) {
        input.dim(i).set_min(0);
        output.dim(i).set_min(0);
    }
    schedule_copy({output, d0, d1, input.dim(0).stride(), input.dim(1).stride(),
                   output.dim(0).stride(), output.dim(1).stride(), output.dim(0).extent()},
                  params);
}

}  // namespace sluice::schedules
