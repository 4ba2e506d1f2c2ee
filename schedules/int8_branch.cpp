#include "schedules/int8_branch.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

// A tile of a row's pixels: each step loads one vector of weights for `tile` vectors of dot
// products. One accumulator a pixel, and one sum over lanes at its end, those of a tile together.
void schedule_int8_branch(Int8BranchFuncs f, int tile) {
    Var outer("outer"), pixel("pixel"), lane("lane");
    auto partial = f.products.update().rfactor(f.taps.y, lane);
    f.output.split(f.x, outer, pixel, tile, TailStrategy::PredicateStores).vectorize(pixel);
    f.products.compute_at(f.output, outer)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, tile)
        .vectorize(f.x);
    f.products.update().reorder(f.taps.y, f.x).atomic().vectorize(f.taps.y).vectorize(f.x);

    partial.compute_at(f.output, outer)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, tile)
        .reorder_storage(lane, f.x, f.y)
        .reorder(lane, f.x)
        .vectorize(lane)
        .unroll(f.x);
    partial.update()
        .reorder(f.taps.x, lane, f.x, f.taps.z, f.taps.w)
        .atomic()
        .vectorize(f.taps.x)
        .vectorize(lane)
        .unroll(f.x);

    // A map of its own is stored by whole vectors, and constant distances between the pixels of a
    // tile become part of the loads' addresses.
    const Halide::Expr dense = f.output.output_buffer().dim(0).stride() == 1;
    f.output.specialize(dense && f.stride_x == 1);
    f.output.specialize(dense);
}

}  // namespace sluice::schedules
