#pragma once

#include <Halide.h>

namespace sluice::schedules {

struct LinearFuncs {
    Halide::Func output;
    Halide::Func partial;  ///< (channel, part); update 0 over `steps`, update 1 over `rest`
    Halide::Var channel, part;
    Halide::RDom steps, rest;
};

struct LinearParams {
    int lanes;  ///< floats a vector
    int parts;  ///< partial sums a vector of channels: as many FMAs are under way at once
};

void schedule_linear(LinearFuncs funcs, const LinearParams& params);

}  // namespace sluice::schedules
