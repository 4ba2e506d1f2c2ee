#pragma once

#include <catch2/catch.hpp>

#include <memory>
#include <vector>

#include "kernels/cpu.h"
#include "passes/builder.h"
#include "passes/passes.h"
#include "plan/plan.h"

namespace sluice::plan_test {

/// The targets that this CPU runs; the others are reported as skipped.
inline std::vector<const Target*> possible_targets() {
    std::vector<const Target*> possible;
    for (const Target& target : targets()) {
        if (cpu_has(target.requires_)) {
            possible.push_back(&target);
        } else {
            WARN("skipped, not on this CPU: " << target.id);
        }
    }
    REQUIRE(!possible.empty());
    return possible;
}

/// The plan of a graph that is optimised as a model's is.
inline Result<std::shared_ptr<const Plan>> plan_of(const GraphBuilder& b, const Target& target,
                                                   const PlanOptions& options = {}) {
    Graph graph = b.graph;
    const Status status = optimise(graph);
    INFO(status.message());
    REQUIRE(status.ok());
    return make_plan(graph, target, options);
}

}  // namespace sluice::plan_test
