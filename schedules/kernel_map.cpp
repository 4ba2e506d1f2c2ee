#include "schedules/kernel_map.h"

namespace sluice::schedules {

// Serial over the groups, because a place depends on every group before it; the nine taps of a
// group are independent, so that their counters need not wait for each other.
void schedule_pair_count(PairCountFuncs f) {
    f.around.compute_root();
    for (int update : {0, 1}) {
        f.around.update(update).unscheduled();
    }
    f.before.compute_root();
    f.before.update(0).unscheduled();
    f.before.update(1).unroll(f.scan.x);
    f.counts.compute_root();
    for (int update = 0; update < 3; ++update) {
        f.counts.update(update).unscheduled();
    }
}

// Lanes of one write never meet, which the index, read from memory, does not show.
void schedule_kernel_map(KernelMapFuncs f) {
    f.pairs.compute_root();
    f.pairs.update(0).allow_race_conditions().vectorize(f.write.x).unroll(f.write.y);
    f.pairs.update(1).unscheduled();
}

}  // namespace sluice::schedules
