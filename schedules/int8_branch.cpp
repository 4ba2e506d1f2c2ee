#include "schedules/int8_branch.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

namespace {

// One vector accumulator a pixel, and one sum over lanes at its end, those of a tile together.
void schedule_part(const Int8BranchFuncs& f, const Int8BranchPart& part, const Var& outer,
                   int tile) {
    Halide::Func products = part.products;
    Var lane("lane");
    auto partial = products.update().rfactor(part.taps.y, lane);
    products.compute_at(f.output, outer)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, tile)
        .vectorize(f.x);
    products.update().reorder(part.taps.y, f.x).atomic().vectorize(part.taps.y).vectorize(f.x);

    partial.compute_at(f.output, outer)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, tile)
        .reorder_storage(lane, f.x, f.y)
        .reorder(lane, f.x)
        .vectorize(lane)
        .unroll(f.x);
    partial.update()
        .reorder(part.taps.x, lane, f.x, part.taps.z, part.taps.w)
        .atomic()
        .vectorize(part.taps.x)
        .vectorize(lane)
        .unroll(f.x);
}

}  // namespace

// A tile of a row's pixels: each step loads one vector of weights for `tile` dot products.
void schedule_int8_branch(Int8BranchFuncs f, int tile) {
    Var outer("outer"), pixel("pixel");
    f.output.split(f.x, outer, pixel, tile, TailStrategy::PredicateStores).vectorize(pixel);
    for (const Int8BranchPart& part : f.parts) {
        schedule_part(f, part, outer, tile);
    }
    // A map of its own is stored by whole vectors.
    f.output.specialize(f.output.output_buffer().dim(0).stride() == 1);
}

}  // namespace sluice::schedules
