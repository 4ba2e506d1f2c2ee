#include "schedules/sparse_conv.h"

namespace sluice::schedules {

using Halide::MemoryType;
using Halide::RVar;
using Halide::Var;

// A tap's weights for one block of channels stay in the L1 cache while its pairs stream by. Its
// tile is gated_conv's, with the register budget stated there; it has no smaller one for the rest
// of a list, since nine lists a call are too short for two loops each.
void schedule_sparse_conv(SparseConvFuncs f, const SparseConvParams& p) {
    Var block("block"), vector("vector"), lane("lane");
    RVar part("part"), item("item");
    const int width = p.vectors * p.lanes;

    f.sums.bound(f.lane, 0, width).compute_root();
    f.sums.update(0)
        .allow_race_conditions()  // an output is listed once, which its index does not show
        .split(f.begin.x, part, item, p.lanes)
        .reorder(item, part, f.begin.y, f.group)
        .vectorize(item)
        .unroll(part);
    f.sums.update(1)
        .split(f.lane, vector, lane, p.lanes)
        .reorder(lane, vector, f.list.x, f.list.y, f.list.z, f.group)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.list.x);

    f.products.compute_at(f.sums, f.list.y)
        .store_in(MemoryType::Register)
        .bound_extent(f.lane, width)
        .split(f.lane, vector, lane, p.lanes)
        .reorder(lane, vector, f.pixel)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.pixel);
    f.products.update()
        .split(f.lane, vector, lane, p.lanes)
        .reorder(lane, vector, f.pixel, f.channels)
        .vectorize(lane)
        .unroll(vector)
        .unroll(f.pixel);
    if (p.unroll > 1) {
        f.products.update().unroll(f.channels, p.unroll);
    }

    f.output.update()
        .split(f.channel, block, vector, width)
        .split(vector, vector, lane, p.lanes)
        .reorder(lane, vector, f.finish, block)
        .vectorize(lane)
        .unroll(vector);
}

}  // namespace sluice::schedules
