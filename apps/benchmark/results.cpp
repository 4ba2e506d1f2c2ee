#include "benchmark/results.h"

namespace sluice::benchmark {

double NetworkResult::gflops() const {
    return times ? apps::gflops(macs_executed * batch, times->median_ms) : 0;
}

double KernelResult::gflops() const { return times ? apps::gflops(macs(), times->median_ms) : 0; }

double KernelResult::intensity() const {
    const double input = static_cast<double>(height + 2) * (width + 2) * channels;
    const double weights = 9.0 * depth() * channels;
    const double outputs = static_cast<double>(active) * channels;
    return 2.0 * macs() / (4.0 * (input + weights + outputs));
}

}  // namespace sluice::benchmark
