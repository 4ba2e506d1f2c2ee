#include "schedules/open_count.h"

namespace sluice::schedules {

// A vector of counts, added up once at the end. It waits for no earlier sum longer than the one
// cycle of an addition, about what the load and the comparison beside it take: more counts would
// gain nothing.
void schedule_open_count(OpenCountFuncs f, const OpenCountParams& p) {
    Halide::RVar vector("vector"), lane("lane");
    Halide::Var sum("sum");
    f.count.update().split(f.gates.x, vector, lane, p.lanes);
    Halide::Func sums = f.count.update().rfactor(lane, sum);
    sums.compute_root().store_in(Halide::MemoryType::Register).vectorize(sum, p.lanes);
    sums.update().vectorize(sum, p.lanes);
    f.count.update().atomic().vectorize(lane, p.lanes);
}

}  // namespace sluice::schedules
