#include "schedules/int8_branch.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

// A tile of pixels: each step loads one vector of weights for `tile` * `rows` vectors of dot
// products. One accumulator a pixel, and one sum over lanes at its end, those of a row of a tile
// together. Most loads cross a cache line, and take twice as long as a dot product; those that the
// windows of several rows have in common are made once.
void schedule_int8_branch(Int8BranchFuncs f, const Int8BranchParams& p) {
    const int tile = p.tile;
    Var outer("outer"), pixel("pixel"), lane("lane"), group("group"), strip("strip"), row("row");
    auto partial = f.products.update().rfactor(f.taps.y, lane);
    const auto tail = p.kernel > 0 ? TailStrategy::ShiftInwards : TailStrategy::PredicateStores;
    f.output.split(f.x, outer, pixel, tile, tail).vectorize(pixel);
    if (p.rows > 1) {
        f.output.split(f.y, strip, row, p.rows, TailStrategy::GuardWithIf)
            .reorder(pixel, row, outer, strip)
            .unroll(row);
    }
    f.products.compute_at(f.output, outer)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, tile)
        .vectorize(f.x)
        .unroll(f.y);
    f.products.update()
        .reorder(f.taps.y, f.x)
        .atomic()
        .vectorize(f.taps.y)
        .vectorize(f.x)
        .unroll(f.y);

    partial.compute_at(f.output, outer)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.x, tile)
        .reorder_storage(lane, f.x, f.y)
        .split(f.x, group, pixel, p.together)
        .reorder(lane, pixel, group)
        .vectorize(lane)
        .vectorize(pixel)
        .unroll(group)
        .unroll(f.y);
    partial.update()
        .split(f.x, group, pixel, p.together)
        .reorder(f.taps.x, lane, pixel, group, f.y, f.taps.z, f.taps.w)
        .atomic()
        .vectorize(f.taps.x)
        .vectorize(lane)
        .vectorize(pixel)
        .unroll(group)
        .unroll(f.y);
    if (p.kernel > 0) {
        partial.update().unroll(f.taps.z).unroll(f.taps.w);
    }

    // A map of its own is stored by whole vectors, and constant distances between the pixels of a
    // tile become part of the loads' addresses.
    const Halide::Expr dense = f.output.output_buffer().dim(0).stride() == 1;
    f.output.specialize(dense && f.stride_x == 1);
    f.output.specialize(dense);
}

}  // namespace sluice::schedules
