#include "schedules/softmax.h"

namespace sluice::schedules {

using Halide::TailStrategy;

void schedule_softmax(SoftmaxFuncs f, const SoftmaxParams& p) {
    f.output.reorder(f.axis, f.inner, f.outer);
    f.output.specialize(f.in_axis == 1 && f.out_axis == 1)
        .vectorize(f.axis, p.parts, TailStrategy::GuardWithIf);
    // Elsewhere vectors too: a gather costs less than exp one by one.
    f.output.vectorize(f.axis, p.parts, TailStrategy::GuardWithIf);

    for (Halide::Func* runs : {&f.peaks, &f.sums}) {
        runs->compute_at(f.output, f.inner).vectorize(f.part);
        runs->update(0).reorder(f.part, f.steps.x);
        runs->update(0).specialize(f.in_axis == 1).vectorize(f.part);
        runs->update(0).vectorize(f.part);
        // Fewer elements than a vector has lanes.
        runs->update(1).unscheduled();
    }
    f.peak.compute_at(f.output, f.inner);
    f.sum.compute_at(f.output, f.inner);
}

}  // namespace sluice::schedules
