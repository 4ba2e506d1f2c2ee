#include "schedules/elements.h"

namespace sluice::schedules {

// As schedule_positions: serial over the groups, a vector inside each.
void schedule_elements(ElementsFuncs f) {
    f.groups.compute_root();
    for (int update : {0, 1, 2}) {
        f.groups.update(update).unscheduled();
    }
    f.mask.compute_at(f.groups, f.scan.x).store_in(Halide::MemoryType::Register);
    f.mask.update().atomic().vectorize(f.lanes.x);

    // Lanes of one write never meet, which the index, read from memory, does not show.
    f.list.compute_root();
    f.list.update().allow_race_conditions().vectorize(f.write[0]).unroll(f.write[1]);
    f.tiles.compute_root();
}

}  // namespace sluice::schedules
