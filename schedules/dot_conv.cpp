#include "schedules/dot_conv.h"

namespace sluice::schedules {

using Halide::Var;

// One vector accumulator an element, and one sum over lanes at its end: a step loads one vector of
// the patch that all elements of the tile share and one of weights for each, so that `elements` + 1
// loads feed `elements` multiply-adds, and loads are the bound. The sums of a tile are taken
// together, pairwise, as in schedule_branch.
void schedule_dot_conv(DotConvFuncs f, const DotConvParams& p) {
    Var lane("lane");
    f.output.update()
        .reorder(f.tiles.x, f.tiles.y)
        .allow_race_conditions()
        .vectorize(f.tiles.x);

    auto partial = f.products.update().rfactor(f.taps.x, lane);
    f.products.compute_at(f.output, f.tiles.y)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.element, p.elements)
        .vectorize(f.element);
    f.products.update()
        .reorder(f.taps.x, f.element)
        .atomic()
        .vectorize(f.taps.x)
        .vectorize(f.element);

    partial.compute_at(f.output, f.tiles.y)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.element, p.elements)
        .reorder_storage(lane, f.element, f.tile)
        .reorder(lane, f.element)
        .vectorize(lane)
        .unroll(f.element);
    partial.update()
        .reorder(lane, f.element, f.taps.y, f.taps.z)
        .vectorize(lane)
        .unroll(f.element);
    if (p.unroll > 1) {
        partial.update().unroll(f.taps.y, p.unroll);
    }
}

}  // namespace sluice::schedules
