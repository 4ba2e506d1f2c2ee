#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_fill arranges: `output` scatters over the list.
struct FillFuncs {
    Halide::Func output;
    Halide::Var channel;
    Halide::RDom list;
};

/// `lanes`: floats a vector.
void schedule_fill(FillFuncs funcs, int lanes);

}  // namespace sluice::schedules
