#include "schedules/gated_conv.h"

namespace sluice::schedules {

using Halide::Var;

namespace {

// Register budget: pixels * vectors accumulators, `vectors` registers of weights and one broadcast
// input must fit in the file (32 on AVX-512 and NEON, 16 on AVX2 and SSE4.1). A step loads
// `vectors` weights and `pixels` inputs for pixels * vectors FMAs, so the tile is large enough when
// the load ports keep up with the FMA pipes.
void schedule_tiles(const GatedConvFuncs& f, int part, const GatedConvParams& p) {
    Halide::Func output = f.output, products = f.parts[std::size_t(part)].products;
    const Halide::RDom& list = f.parts[std::size_t(part)].list;
    Var block("block"), vector("vector"), lane("lane");
    const int width = p.vectors * p.lanes;

    // Blocks of channels outermost: one block's weights stay in the cache while the list streams
    // by.
    output.update(part)
        .split(f.channel, block, vector, width)
        .split(vector, vector, lane, p.lanes)
        .reorder(lane, vector, list.x, list.y, block)
        .vectorize(lane)
        .unroll(vector)
        .unroll(list.x);

    products.compute_at(output, list.y)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.channel, width)
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.pixel)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.pixel);

    products.update()
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.pixel, f.taps.x, f.taps.y, f.taps.z)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.pixel);
    if (p.unroll > 1) {
        products.update().unroll(f.taps.x, p.unroll);
    }
}

}  // namespace

void schedule_gated_conv(GatedConvFuncs f, const GatedConvParams& p) {
    for (std::size_t part = 0; part < f.parts.size(); ++part) {
        schedule_tiles(f, int(part), p);
    }
}

}  // namespace sluice::schedules
