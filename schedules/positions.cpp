#include "schedules/positions.h"

namespace sluice::schedules {

// Serial in all loops: a place depends on every gate before it, and what a position writes where it
// does not belong stands until the next write.
void schedule_positions(PositionsFuncs f) {
    f.offsets.compute_root();
    f.active.compute_root();
    f.skipped.compute_root();
    f.counts.compute_root();
}

}  // namespace sluice::schedules
