#pragma once

/// What the kernels of convolutions and the planner that calls them both go by.
namespace sluice {

/// What a convolution kernel without a gate computes of each output last, named as
/// ActivationKind's.
enum class LastActivation : int { none, hard_swish, silu };

}  // namespace sluice
