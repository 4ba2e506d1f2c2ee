#include "schedules/branch.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

// One vector accumulator a pixel of the tile, and one sum over lanes at its end: each step loads one
// vector of weights for `tile` multiply-adds, and the sums of all pixels of the tile are taken
// together, pairwise, which costs about two shuffles a pixel instead of a tree a pixel.
void schedule_branch(BranchFuncs f, const BranchParams& p) {
    Var tile("tile"), pixel("pixel"), lane("lane");

    f.output.split(f.x, tile, pixel, p.tile, TailStrategy::PredicateStores).vectorize(pixel);

    auto partial = f.products.update().rfactor(f.taps.x, lane);
    f.products.compute_at(f.output, tile)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, p.tile)
        .vectorize(f.x);
    f.products.update().reorder(f.taps.x, f.x).atomic().vectorize(f.taps.x).vectorize(f.x);

    partial.compute_at(f.output, tile)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, p.tile)
        .reorder_storage(lane, f.x, f.y)
        .reorder(lane, f.x)
        .vectorize(lane)
        .unroll(f.x);
    partial.update()
        .reorder(lane, f.x, f.taps.y, f.taps.z)
        .vectorize(lane)
        .unroll(f.x);
    if (p.unroll > 1) {
        partial.update().unroll(f.taps.y, p.unroll);
    }

    // Constant distances between the pixels of a tile become part of the loads' addresses, and a
    // map of its own is stored by whole vectors.
    const Halide::Expr dense = f.output.output_buffer().dim(0).stride() == 1;
    f.output.specialize(dense && f.stride_x == 1);
    f.output.specialize(dense && f.stride_x == 2);
    f.output.specialize(f.stride_x == 1);
}

}  // namespace sluice::schedules
