#include "schedules/positions.h"

namespace sluice::schedules {

// Serial in all loops: a place depends on every gate before it, and what a position writes where it
// does not belong stands until the next write. Each place is read once for both lists.
void schedule_positions(PositionsFuncs f, const PositionsParams& p) {
    f.offsets.compute_root();
    f.offsets.update(0).unscheduled();
    f.offsets.update(1).specialize(f.stride_x == 1).unroll(f.map.x, p.unroll);
    f.active.compute_root();
    f.active.update(0).unroll(f.map.x, p.unroll);
    f.skipped.compute_root();
    f.skipped.update(0).unroll(f.map.x, p.unroll);
    f.skipped.update(0).compute_with(f.active.update(0), f.map.x);
    f.counts.compute_root();
}

}  // namespace sluice::schedules
