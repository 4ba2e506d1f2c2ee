#pragma once

#include <cstddef>

#include "kernels/registry.h"

namespace sluice::benchmark {

/// float32 GFLOPS of the core's widest fused multiply-adds that the target's kernels use, each two
/// operations: the best of a few bursts of independent ones in registers. Where a target has no
/// fused ones, of a multiply and an add. The CPU runs the target.
double measure_fma_peak(const Target& target);

/// Operations on bytes, a multiplication and an addition a MAC, into sums of 32 bits: 10^9 a second
/// of one core, with the best of the instructions that the target has. 0 where it has none that is
/// known here. The CPU runs the target.
double measure_int8_peak(const Target& target);

/// GB/s at which one core reads a block of `bytes`, the best of a few passes.
double measure_read_gbps(std::size_t bytes);

}  // namespace sluice::benchmark
