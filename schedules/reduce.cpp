#include "schedules/reduce.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

void schedule_reduce_kept(ReduceFuncs f, const ReduceParams& p) {
    Var block("block"), lane("lane");
    const Halide::Expr vectors = f.extent >= p.lanes && f.in_kept == 1 && f.out_kept == 1;
    f.output.specialize(vectors)
        .split(f.kept, block, lane, p.lanes, TailStrategy::ShiftInwards)
        .vectorize(lane);
    // The loop `block` must be there in both cases, since the sums are computed inside it.
    f.output.split(f.kept, block, lane, 1);

    const auto along_kept = [&](Halide::Stage stage) {
        stage.specialize(vectors).vectorize(f.kept, p.lanes);
    };
    const Halide::RVar rows = f.total.rvars()[0];
    f.total.compute_at(f.output, block);
    f.total.update().reorder(f.kept, rows);
    along_kept(f.total);
    along_kept(f.total.update());
    f.row.compute_at(f.total, rows);
    along_kept(f.row);
    f.partial.compute_at(f.total, rows).unroll(f.part);
    along_kept(f.partial);
    f.partial.update(0).reorder(f.kept, f.part, f.steps.x).unroll(f.part);
    along_kept(f.partial.update(0));
    f.partial.update(1).reorder(f.kept, f.rest.x);
    along_kept(f.partial.update(1));
}

void schedule_reduce_along(ReduceFuncs f, const ReduceParams& p) {
    f.total.compute_at(f.output, f.kept);
    const Halide::RVar rows = f.total.rvars()[0];
    f.row.compute_at(f.total, rows);
    f.partial.compute_at(f.total, rows).vectorize(f.part, p.lanes);
    f.partial.update(0).reorder(f.part, f.steps.x);
    f.partial.update(0).specialize(f.in_reduced == 1).vectorize(f.part, p.lanes);
    f.partial.update(0).vectorize(f.part, p.lanes);
    // Fewer elements than a vector has lanes.
    f.partial.update(1).unscheduled();
}

}  // namespace sluice::schedules
