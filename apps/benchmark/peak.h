#pragma once

#include <cstddef>

namespace sluice::benchmark {

/// float32 GFLOPS of the core's widest fused multiply-adds, each two operations: the best of a few
/// bursts of independent ones in registers. Where a CPU has no fused ones, of a multiply and an
/// add.
double measure_fma_peak();

/// GB/s at which one core reads a block of `bytes`, the best of a few passes.
double measure_read_gbps(std::size_t bytes);

}  // namespace sluice::benchmark
