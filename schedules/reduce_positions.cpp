#include "schedules/reduce_positions.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

void schedule_reduce_positions(ReducePositionsFuncs f, const ReducePositionsParams& p) {
    Var block("block"), lane("lane");
    const Halide::Expr vectors = f.channels >= p.lanes;
    f.output.specialize(vectors)
        .split(f.channel, block, lane, p.lanes, TailStrategy::ShiftInwards)
        .vectorize(lane);
    // The loop `block` must be there in both cases, since the reductions are computed inside it.
    f.output.split(f.channel, block, lane, 1);

    for (std::size_t i = 0; i < f.reductions.size(); ++i) {
        auto& [result, loops] = f.reductions[i];
        if (i + 1 < f.reductions.size()) {
            result.compute_at(f.reductions[i + 1].result, f.reductions[i + 1].loops.front());
        } else {
            result.compute_at(f.output, block);
        }
        std::vector<VarOrRVar> order = {f.channel};
        order.insert(order.end(), loops.begin(), loops.end());
        result.update().reorder(order);
        result.specialize(vectors).vectorize(f.channel, p.lanes);
        result.update().specialize(vectors).vectorize(f.channel, p.lanes);
    }
}

}  // namespace sluice::schedules
