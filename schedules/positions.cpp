#include "schedules/positions.h"

namespace sluice::schedules {

// Serial over the groups, because a place depends on every group before it and what a group writes
// beyond its own positions stands until the next one's; a vector inside a group.
void schedule_positions(PositionsFuncs f) {
    f.groups.compute_root();
    for (int update : {0, 1}) {
        f.groups.update(update).unscheduled();
    }
    // In an unrolled step the sum stays in a register: through memory each group would wait five
    // cycles for the one before.
    f.groups.update(2).unroll(f.sum.x, 8);
    f.mask.compute_at(f.groups, f.scan.x).store_in(Halide::MemoryType::Register);
    f.mask.update().atomic().vectorize(f.lanes.x);
    f.mask.update().specialize(f.stride_x == 1);

    // Lanes of one write never meet, which the index, read from memory, does not show.
    f.active.compute_root();
    f.active.update().allow_race_conditions().vectorize(f.write.x);
    f.skipped.compute_root();
    f.skipped.update().allow_race_conditions().vectorize(f.write.x);
    f.skipped.update().compute_with(f.active.update(), f.write.y);
    f.counts.compute_root();
}

}  // namespace sluice::schedules
