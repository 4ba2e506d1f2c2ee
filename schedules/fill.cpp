#include "schedules/fill.h"

namespace sluice::schedules {

// A position's channels lie side by side: innermost, so that the stores of a position are one run.
void schedule_fill(FillFuncs f, int lanes) {
    Halide::Var vector("vector"), lane("lane");
    f.output.update()
        .split(f.channel, vector, lane, lanes)
        .reorder(lane, vector, f.list)
        .vectorize(lane);
}

}  // namespace sluice::schedules
