#include "schedules/linear.h"

namespace sluice::schedules {

using Halide::Var;

void schedule_linear(LinearFuncs f, const LinearParams& p) {
    Var block("block"), lane("lane");
    f.output.split(f.channel, block, lane, p.lanes).vectorize(lane);
    f.partial.compute_at(f.output, block)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.channel, p.lanes)
        .vectorize(f.channel, p.lanes)
        .unroll(f.part);
    f.partial.update(0)
        .reorder(f.channel, f.part, f.steps.x)
        .vectorize(f.channel, p.lanes)
        .unroll(f.part);
    f.partial.update(1).reorder(f.channel, f.rest.x).vectorize(f.channel, p.lanes);
}

}  // namespace sluice::schedules
