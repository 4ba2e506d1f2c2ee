#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// A Func each of whose values depends on inputs alone.
struct PointwiseFuncs {
    Halide::Func output;
    Halide::Var inner;  ///< the dimension that becomes vectors; its extent may be any
    /// Strides for which vectors pay, likeliest first; empty where they always do.
    std::vector<Halide::Expr> vector_cases;
};

struct PointwiseParams {
    int lanes;  ///< floats a vector
};

/// Vectors and a scalar tail along `inner`: nothing is read or written twice, so that an output may
/// lie where an input does.
void schedule_pointwise(PointwiseFuncs funcs, const PointwiseParams& params);

}  // namespace sluice::schedules
