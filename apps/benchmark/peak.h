#pragma once

#include <cstddef>

namespace sluice::benchmark {

/// float32 GFLOPS of the core's widest fused multiply-adds, each two operations: the best of a few
/// bursts of independent ones in registers. Where a CPU has no fused ones, of a multiply and an
/// add.
double measure_fma_peak();

/// Operations on bytes, a multiplication and an addition a MAC, into sums of 32 bits: 10^9 a second
/// of one core, with the best of the instructions that the CPU has. 0 where it has none that is
/// known here.
double measure_int8_peak();

/// GB/s at which one core reads a block of `bytes`, the best of a few passes.
double measure_read_gbps(std::size_t bytes);

}  // namespace sluice::benchmark
