#include "schedules/reduce_positions.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

void schedule_reduce_positions(ReducePositionsFuncs f, const ReducePositionsParams& p) {
    Var block("block"), lane("lane");
    const Halide::Expr vectors = f.channels >= p.lanes;
    std::vector<Halide::Expr> cases = {vectors};
    if (f.has_short_loops.defined()) {
        cases.insert(cases.begin(), vectors && f.has_short_loops);
    }
    for (const Halide::Expr& known : cases) {
        f.output.specialize(known)
            .split(f.channel, block, lane, p.lanes, TailStrategy::ShiftInwards)
            .vectorize(lane);
    }
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
        for (const Halide::Expr& known : cases) {
            result.specialize(known).vectorize(f.channel, p.lanes);
            result.update().specialize(known).vectorize(f.channel, p.lanes);
        }
        if (cases.size() > 1) {
            for (const Halide::RVar& loop : loops) {
                result.update().specialize(cases.front()).unroll(loop);
            }
        }
    }
}

}  // namespace sluice::schedules
