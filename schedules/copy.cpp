#include "schedules/copy.h"

namespace sluice::schedules {

using Halide::TailStrategy;

void schedule_copy(CopyFuncs f, const CopyParams& p) {
    f.output.specialize(f.in0 == 1 && f.out0 == 1)
        .vectorize(f.d0, p.lanes, TailStrategy::GuardWithIf);
    // One value for a whole row: a border.
    f.output.specialize(f.in0 == 0 && f.out0 == 1)
        .vectorize(f.d0, p.lanes, TailStrategy::GuardWithIf);
    f.output.specialize(f.in1 == 1 && f.out1 == 1)
        .reorder(f.d1, f.d0)
        .vectorize(f.d1, p.lanes, TailStrategy::GuardWithIf);
    // Three planes of an image become pixels: their vectors are interleaved in registers.
    f.output.specialize(f.in1 == 1 && f.out0 == 1 && f.out1 == 3 && f.extent0 == 3)
        .reorder(f.d0, f.d1)
        .vectorize(f.d1, p.lanes, TailStrategy::GuardWithIf)
        .unroll(f.d0);
    // An image's channels are the short dimension and its columns the long one: d1 is inside, and
    // its vectors are whole at one end and single values at the other.
    f.output.specialize(f.in1 == 1)
        .reorder(f.d1, f.d0)
        .vectorize(f.d1, p.lanes, TailStrategy::GuardWithIf);
    f.output.specialize(f.out1 == 1)
        .reorder(f.d1, f.d0)
        .vectorize(f.d1, p.lanes, TailStrategy::GuardWithIf);
}

}  // namespace sluice::schedules
