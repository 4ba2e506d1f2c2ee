#pragma once

#include <Halide.h>

namespace sluice::schedules {

struct OpenCountFuncs {
    Halide::Func count;  ///< its first update sums over `gates`
    Halide::RDom gates;  ///< x: dense in memory
};

struct OpenCountParams {
    int lanes;
};

void schedule_open_count(OpenCountFuncs funcs, const OpenCountParams& params);

}  // namespace sluice::schedules
