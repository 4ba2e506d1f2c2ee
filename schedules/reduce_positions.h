#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// Sums (or maxima) over positions of an image, channel by channel.
struct ReducePositionsFuncs {
    struct Reduction {
        Halide::Func result;              ///< an initial value and one update
        std::vector<Halide::RVar> loops;  ///< of the update, innermost first
    };
    Halide::Func output;
    Halide::Var channel;
    Halide::Expr channels;  ///< how many there are: any number
    /// Each is read inside the innermost loop of the next, and the last one by the output.
    std::vector<Reduction> reductions;
    /// Where this holds, the loops have extents that the schedule knows, and few rounds; may be
    /// undefined.
    Halide::Expr has_short_loops;
};

struct ReducePositionsParams {
    int lanes;  ///< floats a vector
};

/// A vector of channels at a time, with its results in registers. The last vector ends with the
/// last channel, so that some are computed twice; fewer channels than lanes go one by one.
void schedule_reduce_positions(ReducePositionsFuncs funcs, const ReducePositionsParams& params);

}  // namespace sluice::schedules
