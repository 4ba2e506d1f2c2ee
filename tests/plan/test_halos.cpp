#include <catch2/catch.hpp>

#include "plan/lower.h"
#include "plan/planner.h"
#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

namespace {

/// A padded convolution of what an alias of an alias of `x` is.
struct AliasedInput {
    GraphBuilder b{3};
    ValueId x = b.input({1, 16, 6, 7});
    ValueId first = b.node(Op::identity, {x}, b.shape(x));
    ValueId second = b.node(Op::cast, {first}, b.shape(x), {{"to", std::int64_t{1}}});

    AliasedInput() {
        b.output(first);
        b.output(second);
        b.output(b.conv(x, 16, 1));
        b.output(b.conv(second, 16, 5));
    }
};

void lower_inputs(Planner& planner, const Graph& graph) {
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
        const auto input = lower_input(planner, i);
        REQUIRE(input.ok());
        planner.layouts.set(graph.inputs[i], input->output);
    }
}

}  // namespace

TEST_CASE("a value has the halo that the readers of its aliases need") {
    const AliasedInput net;
    for (const Target* target : possible_targets()) {
        Graph graph = net.b.graph;
        REQUIRE(optimise(graph).ok());
        Planner planner(graph, *target, {});
        lower_inputs(planner, graph);
        const Layout x = planner.layout(net.x);
        for (const std::size_t alias : {0, 1}) {
            const auto lowered = lower_identity(planner, graph.nodes[alias]);
            REQUIRE(lowered.ok());
            CHECK(lowered->steps.empty());
            CHECK(lowered->output.index == x.index);
            CHECK(lowered->output.origin == x.origin);
            planner.layouts.set(graph.nodes[alias].outputs[0], lowered->output);
        }
        for (const std::int64_t side : x.halo) {
            CHECK(side == 2);
        }
    }
}

TEST_CASE("a convolution refuses a layout that lacks what it reads") {
    const auto refusal = [](Layout layout, std::size_t input) {
        GraphBuilder b(4);
        const ValueId x = b.input({1, 16, 6, 7}), other = b.input({1, 16, 6, 7});
        b.output(input == 0   ? b.conv(x, 16, 3)
                 : input == 1 ? b.mul(b.conv(other, 16, 3), b.relu(x))
                              : b.add_up(b.conv(other, 16, 3), x));
        Graph graph = b.graph;
        REQUIRE(optimise(graph).ok());
        Planner planner(graph, *possible_targets().front(), {});
        lower_inputs(planner, graph);
        const Node& conv = graph.nodes.back();
        REQUIRE(conv.op == Op::fused_conv);
        planner.layouts.set(conv.inputs[input], std::move(layout));
        const Status status = lower_fused_conv(planner, conv).status();
        return status.ok() ? std::string() : status.message();
    };
    const auto layout = [](std::int64_t stride) {
        Layout l;
        l.axes = {{16, 1}, {6, 9 * stride}, {7, stride}};
        l.origin = 10 * stride;
        std::fill_n(l.halo, 4, 1);
        return l;
    };
    const std::string fault = "would read beyond the memory of its inputs";
    CHECK(refusal(layout(16), 0).empty());
    for (std::size_t side = 0; side < 4; ++side) {
        Layout cut = layout(16);
        cut.halo[side] = 0;
        CHECK(refusal(cut, 0).find(fault) != std::string::npos);
    }
    for (const std::size_t input : {1, 2}) {
        CHECK(refusal(layout(16), input).empty());
        CHECK(refusal(layout(12), input).find(fault) != std::string::npos);
    }
}
