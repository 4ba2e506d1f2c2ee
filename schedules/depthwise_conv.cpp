#include "schedules/depthwise_conv.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

namespace {

// Register budget: pixels * vectors accumulators beside the weights of a vector, which stay in
// registers for a row where there are as many (9 of a 3x3 window; 16 in all on AVX2 and SSE4.1, 32
// on AVX-512 and NEON), and are operands in memory else. Neighbours of a tile share the inputs that
// both read.
void schedule_products(DepthwiseConvFuncs& f, const DepthwiseConvParams& p,
                       const Halide::LoopLevel& tile) {
    Var vector("vector"), lane("lane");
    const int width = p.vectors * p.lanes;
    f.products.compute_at(tile)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.channel, width)
        .bound_extent(f.x, p.pixels)
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.x, f.y)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.x);
    f.products.update()
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.x, f.taps.x, f.taps.y, f.y)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.x);
    if (p.unroll) {
        f.products.update().unroll(f.taps.x).unroll(f.taps.y);
    }
}

}  // namespace

void schedule_depthwise_conv(DepthwiseConvFuncs f, const DepthwiseConvParams& p,
                             const std::vector<Halide::Expr>& forms) {
    Var block("block"), vector("vector"), lane("lane"), tile("tile"), pixel("pixel");
    Var strip("strip"), row("row");
    // A block's channels along some rows: those of the window, of one cache line or less a pixel,
    // stay in the first cache, so that each is fetched (rows + 2) / rows times for a 3x3 window.
    f.output.split(f.channel, block, vector, p.vectors * p.lanes, TailStrategy::RoundUp)
        .split(vector, vector, lane, p.lanes)
        .split(f.x, tile, pixel, p.pixels, TailStrategy::PredicateStores)
        .split(f.y, strip, row, p.rows, TailStrategy::GuardWithIf)
        .reorder(lane, vector, pixel, tile, row, block, strip)
        .vectorize(lane)
        .unroll(vector)
        .unroll(pixel);
    for (const Halide::Expr& form : forms) {
        f.output.specialize(form);
    }
    schedule_products(f, p, {f.output, tile});
}

void schedule_depthwise_list(DepthwiseConvFuncs f, const DepthwiseConvParams& p) {
    Var block("block"), vector("vector"), lane("lane");
    // All channels of a tile's positions one after another: where they lie is worked out once.
    f.output.update()
        .split(f.channel, block, vector, p.vectors * p.lanes)
        .split(vector, vector, lane, p.lanes)
        .reorder(lane, vector, f.list.x, block, f.list.y)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.list.x);
    schedule_products(f, p, {f.output, block});
}

}  // namespace sluice::schedules
