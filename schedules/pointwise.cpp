#include "schedules/pointwise.h"

namespace sluice::schedules {

using Halide::TailStrategy;

void schedule_pointwise(PointwiseFuncs f, const PointwiseParams& p) {
    if (f.vector_cases.empty()) {
        f.output.vectorize(f.inner, p.lanes, TailStrategy::GuardWithIf);
    }
    for (const Halide::Expr& strides : f.vector_cases) {
        f.output.specialize(strides).vectorize(f.inner, p.lanes, TailStrategy::GuardWithIf);
    }
}

}  // namespace sluice::schedules
