#include "schedules/fill.h"

namespace sluice::schedules {

// A position's channels lie side by side: innermost, so that the stores of a position are one run.
// Where there is no residual every position holds the same, and for few vectors it stays in
// registers while the list streams by. Rows of a tile are long enough to be written at once.
void schedule_fill(FillFuncs f, int lanes) {
    Halide::Var vector("vector"), lane("lane");
    f.output.update()
        .split(f.channel, vector, lane, lanes)
        .reorder(lane, vector, f.list.x, f.list.y, f.list.z)
        .vectorize(lane);
    for (int vectors : {1, 2, 4}) {
        const Halide::Expr few = f.channels == vectors * lanes;
        for (const Halide::Expr& known : {few && f.no_residual, few}) {
            f.output.update().specialize(known && f.side == 4).unroll(vector).unroll(f.list.x);
            f.output.update().specialize(known && f.side == 1).unroll(vector).unroll(f.list.z, 4);
            f.output.update().specialize(known).unroll(vector);
        }
    }
    // Many vectors that every position shares: a few of them at a time.
    constexpr int few = 4;
    Halide::Var block("block");
    f.output.update()
        .specialize(f.no_residual && f.side == 1 && f.channels % (few * lanes) == 0)
        .split(vector, block, vector, few)
        .reorder(lane, vector, f.list.x, f.list.y, f.list.z, block)
        .unroll(vector)
        .unroll(f.list.z, 4);
}

}  // namespace sluice::schedules
