#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace sluice {

/// One way of computing one convolution of a graph, planned by itself, with its weights packed.
struct Alternative {
    WayId way;
    /// Of the layer alone. Its inputs are those of the node, in order: what it convolves, the gate
    /// and the residual where it has them. For pairs, whose input another gate has left constant in
    /// places, the layer before stands there in the place of what is convolved, with its inputs.
    std::shared_ptr<const Plan> plan;
    /// The step of the plan that computes the layer. Those before it copy the inputs, scan the
    /// gates and fill what they skip.
    std::size_t step = 0;

    const Kernel* kernel() const { return plan->steps[step].kernel; }
};

/// The ways that compute a convolution of an optimised graph on a target, with the most specialised
/// of `kernels` that fits; whether they pay is not asked. Empty where `node` is no fused_conv.
std::vector<Alternative> alternatives(const Graph& graph, const Node& node, const Target& target,
                                      std::span<const Kernel> kernels = sluice::kernels());

/// That one way alone; none where it does not compute the layer.
std::optional<Alternative> alternative(const Graph& graph, const Node& node, const Target& target,
                                       WayId way,
                                       std::span<const Kernel> kernels = sluice::kernels());

}  // namespace sluice
