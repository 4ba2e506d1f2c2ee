#pragma once

#include <vector>

#include "plan/conv/convolution.h"

/// The input of a depthwise convolution, whose kernels read the channel of each output's number.
namespace sluice {

/// The layer as its kernels see it once they read `own_channels`.
ConvLayer layer_of_own_channels(const Planner& planner, const Convolution& c);

/// (k, x, y): the input itself where it has a channel for each output and whole vectors of them,
/// else a copy that `steps` make.
Result<Buffer> own_channels(Planner& planner, const Convolution& c, std::vector<Step>& steps);

}  // namespace sluice
