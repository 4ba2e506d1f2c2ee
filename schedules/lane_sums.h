#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// Dot products of a tile: `products(item, rest)` sums over `taps` in one update.
struct LaneSums {
    Halide::Func products;
    Halide::Var item, rest;  ///< of the tile, and what numbers the tiles
    Halide::RDom taps;       ///< x: lanes of a vector, y: vectors of a patch row, z: patch rows
    Halide::LoopLevel tile;  ///< the loop over tiles of what reads the products
};

/// One vector accumulator an item, and one sum over lanes at its end: the sums of all items of a
/// tile are taken together, pairwise, which costs about two shuffles an item instead of a tree an
/// item.
inline void schedule_lane_sums(LaneSums s, int items, int unroll) {
    Halide::Var lane("lane");
    auto partial = s.products.update().rfactor(s.taps.x, lane);
    s.products.compute_at(s.tile)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(s.item, items)
        .vectorize(s.item);
    s.products.update().reorder(s.taps.x, s.item).atomic().vectorize(s.taps.x).vectorize(s.item);

    partial.compute_at(s.tile)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(s.item, items)
        .reorder_storage(lane, s.item, s.rest)
        .reorder(lane, s.item)
        .vectorize(lane)
        .unroll(s.item);
    partial.update().reorder(lane, s.item, s.taps.y, s.taps.z).vectorize(lane).unroll(s.item);
    if (unroll > 1) {
        partial.update().unroll(s.taps.y, unroll);
    }
}

}  // namespace sluice::schedules
