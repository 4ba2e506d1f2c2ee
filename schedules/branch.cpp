#include "schedules/branch.h"

#include "schedules/lane_sums.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

// A tile of a row's pixels: each step loads one vector of weights for `tile` multiply-adds.
void schedule_branch(BranchFuncs f, const BranchParams& p) {
    Var tile("tile"), pixel("pixel");
    f.output.split(f.x, tile, pixel, p.tile, TailStrategy::PredicateStores).vectorize(pixel);
    schedule_lane_sums({f.products, f.x, f.y, f.taps, {f.output, tile}}, p.tile, p.unroll);

    // Constant distances between the pixels of a tile become part of the loads' addresses, and a
    // map of its own is stored by whole vectors.
    const Halide::Expr dense = f.output.output_buffer().dim(0).stride() == 1;
    f.output.specialize(dense && f.stride_x == 1);
    f.output.specialize(dense && f.stride_x == 2);
    f.output.specialize(f.stride_x == 1);
}

}  // namespace sluice::schedules
