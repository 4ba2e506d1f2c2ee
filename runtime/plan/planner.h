#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/arena.h"
#include "plan/constants.h"
#include "plan/gate_scans.h"
#include "plan/layouts.h"
#include "plan/plan.h"
#include "plan/readers.h"

namespace sluice {

/// What all lowering functions share while a plan is made.
struct Planner {
    Planner(const Graph& graph_, const Target& target_, const PlanOptions& options_)
        : graph(graph_),
          target(target_),
          options(options_),
          lanes(target_.lanes),
          readers(graph_),
          layouts(graph_, readers, lanes, arena),
          constants(graph_),
          scans(target_, arena) {}
    Planner(const Planner&) = delete;

    const Graph& graph;
    const Target& target;
    const PlanOptions options;
    const std::int64_t lanes;
    const Readers readers;
    Arena arena;
    Layouts layouts;
    Constants constants;
    GateScans scans;

    /// The layout of a value that is planned already.
    const Layout& layout(ValueId id) const { return layouts.of(id); }
    /// The shape-generic kernel of an algorithm, which make_plan has seen that the target has.
    const Kernel* kernel(Algorithm algorithm) const {
        return find_kernel(options.kernels, algorithm, target);
    }
    /// Whether the node is the last to read a constant, and no other value holds the same one.
    bool is_last_reader(const Node& node, ValueId id) const {
        return graph.values[std::size_t(id)].constant.use_count() == 1 && readers.is_last(node, id);
    }
    Status unsupported(const Node& node, std::string what, std::string remedy) const {
        return error_at(graph, node, std::move(what), std::move(remedy));
    }
};

/// A gate of a lowered node. The step of its source counts from the node's first.
struct PlannedGate {
    GateInfo info;
    GateSource source;
};

/// What lowering makes of a node: where its output lies, and the steps that write it, in order.
struct Lowered {
    Layout output;
    std::vector<Step> steps = {};
    std::vector<PlannedGate> gates = {};
    std::int64_t macs = 0;         ///< per image, without the LCCL branches
    std::int64_t branch_macs = 0;  ///< per image, of LCCL branches
};

/// Appends a step, or returns why there is none.
inline Status append(std::vector<Step>& steps, Result<Step> step) {
    if (!step.ok()) {
        return step.status();
    }
    steps.push_back(std::move(step).value());
    return {};
}

}  // namespace sluice
