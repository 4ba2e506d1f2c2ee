#pragma once

#include "benchmark/conv_case.h"
#include "kernels/registry.h"
#include "sluice/status.h"

namespace sluice::benchmark {

/// The kernel, direct or Winograd's, that a plan computes the convolution by where it has no gate
/// and reads another layer's output.
Result<const Kernel*> plan_dense_kernel(const ConvShape& shape, const Target& target);

}  // namespace sluice::benchmark
