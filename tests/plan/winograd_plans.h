#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "plan/plan_of.h"

/// Layers that Winograd's kernels compute, and the steps of their plans.
namespace sluice::plan_test {

using Steps = std::vector<const Step*>;

/// A value of whole tiles, or as given, with lanes beside its channels as the kernels of all
/// targets need.
inline ValueId image(GraphBuilder& b, std::int64_t channels, std::int64_t height = 12,
                     std::int64_t width = 8) {
    return b.relu(b.conv(b.input({1, 4, height, width}), channels, 1));
}

inline std::shared_ptr<const Plan> checked_plan(const GraphBuilder& b, const Target& target,
                                                const PlanOptions& options = {}) {
    const auto plan = plan_of(b, target, options);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    return plan.value();
}

/// Of all gate forms, or of the one named.
inline Steps steps_of(const Plan& plan, Algorithm algorithm, std::optional<GateForm> gate = {}) {
    Steps steps;
    for (const Step& step : plan.steps) {
        const GateForm form = step.kernel->gate;
        if (step.kernel->algorithm == algorithm && form == gate.value_or(form)) {
            steps.push_back(&step);
        }
    }
    return steps;
}

/// Steps that are there for Winograd's sake alone.
inline std::size_t winograd_steps(const Plan& plan) {
    return steps_of(plan, Algorithm::winograd_conv).size() +
           steps_of(plan, Algorithm::tiles).size();
}

inline bool is_same(const Buffer& a, const Buffer& b) {
    return a.memory == b.memory && a.index == b.index && a.offset == b.offset;
}

/// Whether a step runs where `number` is chosen by the same choice as another.
inline bool chooses_as(const Step& a, const Step& b) {
    return a.choice && b.choice && is_same(a.choice->chosen, b.choice->chosen);
}

}  // namespace sluice::plan_test
