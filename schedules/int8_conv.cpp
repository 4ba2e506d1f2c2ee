#include "schedules/int8_conv.h"

namespace sluice::schedules {

using Halide::MemoryType;
using Halide::RVar;
using Halide::Var;

namespace {

// Register budget: pixels * vectors accumulators, `vectors` registers of weights and one broadcast
// input must fit in the file (32 on AVX-512 and NEON, 16 on AVX2 and SSE4.1, which need two more
// for what they widen and multiply). A step loads `vectors` weights and `pixels` inputs for
// pixels * vectors dot products.
void schedule_tiles(const Int8ConvFuncs& f, int part, const Int8ConvParams& p) {
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
    for (const Halide::Expr& shorter : f.cases) {
        output.update(part).specialize(shorter);
    }

    products.compute_at(output, list.y)
        .store_in(Halide::MemoryType::Register)
        .bound_extent(f.channel, width)
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.pixel)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.pixel);

    // A vector of dot products, that is one instruction where the target has such.
    products.update()
        .split(f.channel, vector, lane, p.lanes)
        .reorder(f.taps.x, lane, vector, f.pixel, f.taps.y, f.taps.z)
        .atomic()
        .vectorize(f.taps.x)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.pixel);
    if (p.unroll > 1) {
        products.update().unroll(f.taps.y, p.unroll);
    }

    // A vector of pairs, one instruction, of which a second one sums up twos. Weights are such that
    // the order of a pair's sums, which saturate, does not matter.
    if (Halide::Func pairs = f.parts[std::size_t(part)].pairs; pairs.defined()) {
        pairs.compute_at(products, vector)
            .store_in(Halide::MemoryType::Register)
            .bound_extent(f.half, 2)
            .bound_extent(f.channel, p.lanes)
            .bound_extent(f.part, 1)
            .vectorize(f.half)
            .vectorize(f.channel);
        pairs.update()
            .reorder(f.pair, f.half, f.channel)
            .atomic(true)
            .vectorize(f.pair)
            .vectorize(f.half)
            .vectorize(f.channel);
    }
}

}  // namespace

void schedule_int8_conv(Int8ConvFuncs f, const Int8ConvParams& p) {
    for (std::size_t part = 0; part < f.parts.size(); ++part) {
        schedule_tiles(f, int(part), p);
    }
}

// Halide keeps one accumulator in the tile registers at a time, so that each product waits for the
// one before. The sums of a block's vectors are independent: without an epilogue between them, the
// CPU begins the next vector's before it has finished one.
void schedule_int8_matrices(Int8MatrixFuncs f, const Int8MatrixParams& p) {
    Var block("block"), vector("vector"), lane("lane");
    RVar first("first"), byte("byte");

    // A matrix' patches stay in the L1 cache while all weights stream by. Where those come from
    // beyond the L2 cache, a block's serve several matrices, whose patches stay in it.
    f.output.update()
        .split(f.channel, block, vector, p.vectors * p.lanes)
        .split(vector, vector, lane, p.lanes)
        .reorder(lane, vector, f.list.x, f.list.y, block, f.list.z)
        .vectorize(lane)
        .unroll(vector);
    for (const Halide::Expr& shorter : f.cases) {
        f.output.update().specialize(shorter);
    }

    // There is room for the most, so that all strides are known. No two bytes of a vector are one.
    f.patches.compute_at(f.output, f.list.z)
        .store_in(MemoryType::Register)
        .bound_storage(f.byte, p.most_bytes)
        .update()
        .allow_race_conditions()
        .split(f.rows.x, first, byte, p.depth)
        .reorder(byte, first, f.rows.y, f.position)
        .vectorize(byte);

    Halide::Func stored = f.sums.in();
    stored.compute_at(f.output, f.list.y)
        .store_in(MemoryType::Register)
        .reorder_storage(f.lane, f.vector, f.position)
        .bound_extent(f.lane, p.lanes)
        .bound_extent(f.position, p.pixels)
        .bound_extent(f.vector, p.vectors)
        .vectorize(f.lane)
        .vectorize(f.position)
        .unroll(f.vector);
    f.sums.compute_at(stored, f.vector)
        .store_in(MemoryType::AMXTile)
        .bound_extent(f.lane, p.lanes)
        .bound_extent(f.position, p.pixels)
        .vectorize(f.lane)
        .vectorize(f.position);
    f.sums.update()
        .split(f.taps.x, first, byte, p.depth)
        .reorder(byte, f.lane, f.position, first)
        .atomic()
        .vectorize(byte)
        .vectorize(f.lane)
        .vectorize(f.position);
}

}  // namespace sluice::schedules
