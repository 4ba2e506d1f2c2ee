#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace sluice {

/// One way of computing one layer of a graph, planned by itself, with its weights packed: what is
/// measured where kernels are compared.
struct Alternative {
    /// None where the node has one kernel whatever its plan: an LCCL branch. Of a Gemm linear, of
    /// what is quantised int8.
    std::optional<WayId> way;
    /// Of the layer alone. Its inputs are those of the node, in order: what it convolves, the gate
    /// and the residual where it has them. For pairs, whose input another gate has left constant in
    /// places, the layer before stands there in the place of what is convolved, with its inputs.
    /// Quantised values are bytes.
    std::shared_ptr<const Plan> plan;
    /// Of each of the plan's inputs, the node that it gates; "" where it gates none.
    std::vector<std::string> gated;
    /// The call that computes the layer, or its last group of channels. The steps before it copy
    /// the inputs, scan the gates and fill what they skip.
    std::size_t step = 0;

    const Step& call() const { return plan->steps[step]; }
    const Kernel& kernel() const { return *call().kernel; }
    /// Calls of that kernel: one, or one a group of channels.
    int calls() const;
};

/// What computes a node of an optimised graph on a target in one way, whether it pays or not, with
/// the most specialised of `kernels` that fits; they must outlive it. Without a way, what a plan of
/// the layer takes, for layers whose runs have no choice. None where nothing computes it so.
std::optional<Alternative> alternative(const Graph& graph, const Node& node, const Target& target,
                                       std::optional<WayId> way,
                                       std::span<const Kernel> kernels = sluice::kernels());

/// All ways that compute the node. Empty where it is neither a convolution nor a Gemm.
std::vector<Alternative> alternatives(const Graph& graph, const Node& node, const Target& target,
                                      std::span<const Kernel> kernels = sluice::kernels());

}  // namespace sluice
