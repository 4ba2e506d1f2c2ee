#include "schedules/winograd_conv.h"

#include <algorithm>

namespace sluice::schedules {

using Halide::MemoryType;
using Halide::Var;

namespace {

// A chunk's transformed patches and products stay in the L2 cache between the three stages; each
// weight that is loaded serves `rows` tiles of the chunk.
void schedule_chunks(const WinogradConvFuncs& f, int part, const WinogradConvParams& p) {
    const WinogradChunks& chunks = f.parts[std::size_t(part)];
    Halide::Func output = f.output, lines = chunks.lines, patches = chunks.patches;
    Halide::Func sums = chunks.sums, products = chunks.products, columns = chunks.columns;
    Var block("block"), vector("vector"), lane("lane"), row("row"), group("group");
    const int width = p.vectors * p.lanes, rows = std::min(p.rows, chunks.tiles);

    output.update(part)
        .split(f.channel, block, vector, width)
        .split(vector, vector, lane, p.lanes)
        .reorder(lane, chunks.list.x, chunks.list.y, vector, chunks.list.z, block, chunks.list.w)
        .vectorize(lane)
        .unroll(chunks.list.x)
        .unroll(chunks.list.y);

    patches.compute_at(output, chunks.list.w)
        .store_in(MemoryType::Register)
        .split(f.in_channel, vector, lane, p.lanes, Halide::TailStrategy::RoundUp)
        .reorder(lane, f.u, f.v, vector, f.panel, f.phase, f.tile)
        .vectorize(lane)
        .unroll(f.u)
        .unroll(f.v);
    if (p.most_panels > 0) {
        // A point's panels lie side by side, because one pass over its weights reads them all.
        // There is room for the most, so that all strides are known, and for an odd number, because
        // points that are a power of two apart would share a few sets of the caches.
        patches.reorder_storage(f.in_channel, f.tile, f.panel, f.phase, f.u, f.v)
            .bound_storage(f.panel, p.most_panels | 1);
    }
    lines.compute_at(patches, vector)
        .store_in(MemoryType::Register)
        .reorder(f.in_channel, f.v, f.u, f.panel, f.phase)
        .vectorize(f.in_channel)
        .unroll(f.u)
        .unroll(f.v);

    products.compute_at(output, block)
        .store_in(MemoryType::Register)
        .bound_extent(f.channel, width)
        .split(f.channel, vector, lane, p.lanes)
        .split(f.tile, group, row, rows)
        .reorder(lane, vector, row, group, f.u, f.v)
        .vectorize(lane)
        .unroll(vector)
        .unroll(row);
    sums.compute_at(products, group)
        .store_in(MemoryType::Register)
        .bound_extent(f.channel, width)
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.tile)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.tile);
    sums.update()
        .split(f.channel, vector, lane, p.lanes)
        .reorder(lane, vector, f.tile, chunks.channels.x, chunks.channels.y, chunks.channels.z)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.tile);
    if (p.unroll > 1) {
        sums.update().unroll(chunks.channels.x, p.unroll);
    }

    columns.compute_at(output, vector)
        .store_in(MemoryType::Register)
        .reorder(f.channel, f.v, f.u)
        .vectorize(f.channel)
        .unroll(f.u)
        .unroll(f.v);
}

}  // namespace

void schedule_winograd_conv(WinogradConvFuncs f, const WinogradConvParams& p) {
    for (std::size_t part = 0; part < f.parts.size(); ++part) {
        schedule_chunks(f, int(part), p);
    }
}

}  // namespace sluice::schedules
