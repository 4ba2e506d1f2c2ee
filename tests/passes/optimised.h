#pragma once

#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include "builder.h"
#include "passes/passes.h"

namespace sluice {

inline std::vector<const Node*> nodes_of(const Graph& graph, Op op) {
    std::vector<const Node*> found;
    for (const Node& node : graph.nodes) {
        if (node.op == op) {
            found.push_back(&node);
        }
    }
    return found;
}

/// Optimises the built graph; the result must be what the unoptimised graph computes.
inline Graph optimised(GraphBuilder& b) {
    INFO("seed " << b.seed);
    std::vector<reference::Tensor> inputs;
    for (const ValueId id : b.graph.inputs) {
        inputs.push_back({b.shape(id), b.numbers(b.shape(id), -1, 1)});
    }
    Graph graph = b.graph;
    const Status status = optimise(graph);
    INFO(status.message());
    REQUIRE(status.ok());
    const auto before = reference::interpret(b.graph, inputs);
    const auto after = reference::interpret(graph, inputs);
    REQUIRE(before.ok());
    REQUIRE(after.ok());
    for (std::size_t o = 0; o < before->size(); ++o) {
        const auto& expected = before.value()[o];
        const auto& got = after.value()[o];
        REQUIRE(got.shape == expected.shape);
        for (std::size_t i = 0; i < expected.data.size(); ++i) {
            const float want = expected.data[i], is = got.data[i];
            const double bound = 1e-5 * (1 + std::abs(double(want)));
            REQUIRE((std::isnan(want) ? std::isnan(is)
                                      : is == want || std::abs(double(is) - want) <= bound));
        }
    }
    return graph;
}

}  // namespace sluice
