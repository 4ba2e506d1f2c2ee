#include "schedules/tiles.h"

namespace sluice::schedules {

// Serial, because a place depends on every tile before it; there are few tiles.
void schedule_tiles(TilesFuncs f) {
    f.before.compute_root();
    for (int update : {0, 1}) {
        f.before.update(update).unscheduled();
    }
    f.active.compute_root();
    f.active.update().unscheduled();
    f.skipped.compute_root();
    f.skipped.update().compute_with(f.active.update(), f.write.x);
    f.counts.compute_root();
}

}  // namespace sluice::schedules
