#include "schedules/int8_depthwise.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

namespace {

// The rows of a group are interleaved in registers, so that a vector holds the operands of as many
// dot products as it has sums. Where the window is known, a tile's columns are interleaved once for
// all outputs that read them.
void schedule_bytes(Int8DepthwiseFuncs& f, const Int8DepthwiseParams& p,
                    const Halide::LoopLevel& tile) {
    Var vector("vector"), lane("lane");
    f.bytes.store_in(Halide::MemoryType::Register)
        .bound(f.row, 0, p.dot)
        .bound_extent(f.channel, p.vectors * p.lanes)
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, f.row, vector, f.x, f.tap, f.group, f.y)
        .vectorize(lane)
        .unroll(f.row)
        .unroll(vector)
        .unroll(f.x);
    if (p.kernel > 0) {
        f.bytes.compute_at(tile)
            .bound_extent(f.x, (p.pixels - 1) * p.step + p.kernel)
            .bound(f.group, 0, (p.kernel + p.dot - 1) / p.dot)
            .unroll(f.group);
    } else {
        f.bytes.compute_at(f.products, f.taps.y).bound_extent(f.x, p.pixels);
    }
}

// Register budget: pixels * windows * vectors accumulators, the bytes of a column's groups and the
// weights, of which as many stay in registers as there are left.
void schedule_products(Int8DepthwiseFuncs& f, const Int8DepthwiseParams& p,
                       const Halide::LoopLevel& tile) {
    Var vector("vector"), lane("lane");
    f.products.compute_at(tile)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.channel, p.vectors * p.lanes)
        .bound_extent(f.x, p.pixels)
        .bound(f.window, 0, p.windows)
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.x, f.window, f.y)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.x)
        .unroll(f.window);
    f.products.update()
        .split(f.channel, vector, lane, p.lanes)
        .reorder(f.taps.x, lane, vector, f.x, f.window, f.taps.y, f.taps.z, f.y)
        .atomic()
        .vectorize(f.taps.x)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.x)
        .unroll(f.window);
    if (p.kernel > 0) {
        f.products.update().unroll(f.taps.y).unroll(f.taps.z);
    }
}

}  // namespace

void schedule_int8_depthwise(Int8DepthwiseFuncs f, const Int8DepthwiseParams& p) {
    Var block("block"), vector("vector"), lane("lane"), tile("tile"), pixel("pixel");
    Var strip("strip"), row("row");
    // As the float kernel: a block's channels along some rows, which stay in the first cache.
    f.output.split(f.channel, block, vector, p.vectors * p.lanes, TailStrategy::RoundUp)
        .split(vector, vector, lane, p.lanes)
        .split(f.x, tile, pixel, p.pixels, TailStrategy::PredicateStores)
        .split(f.y, row, f.window, p.windows, TailStrategy::GuardWithIf)
        .split(row, strip, row, p.rows, TailStrategy::GuardWithIf)
        .reorder(lane, vector, pixel, f.window, tile, row, block, strip)
        .vectorize(lane)
        .unroll(vector)
        .unroll(pixel)
        .unroll(f.window);
    for (const Halide::Expr& shorter : f.cases) {
        f.output.specialize(shorter);
    }
    schedule_products(f, p, {f.output, tile});
    schedule_bytes(f, p, {f.output, tile});
}

}  // namespace sluice::schedules
