#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// `chosen` is one number of a few scalars.
void schedule_select_way(Halide::Func chosen);

}  // namespace sluice::schedules
