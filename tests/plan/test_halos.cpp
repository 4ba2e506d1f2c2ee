#include <catch2/catch.hpp>

#include "plan/builder.h"
#include "plan/lower.h"
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

}  // namespace

TEST_CASE("a value has the halo that the readers of its aliases need") {
    const AliasedInput net;
    for (const Target* target : possible_targets()) {
        Graph graph = net.b.graph;
        REQUIRE(optimise(graph).ok());
        Builder builder(graph, *target, {});
        REQUIRE(plan_inputs(builder).ok());
        REQUIRE(lower_identity(builder, graph.nodes[0]).ok());
        REQUIRE(lower_identity(builder, graph.nodes[1]).ok());
        const Layout& x = builder.layout(net.x);
        for (const ValueId id : {net.first, net.second}) {
            CHECK(builder.layout(id).index == x.index);
            CHECK(builder.layout(id).origin == x.origin);
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
        Builder builder(graph, *possible_targets().front(), {});
        REQUIRE(plan_inputs(builder).ok());
        const Node& conv = graph.nodes.back();
        REQUIRE(conv.op == Op::fused_conv);
        builder.alias(conv.inputs[input], std::move(layout));
        const Status status = lower_fused_conv(builder, conv);
        return status.ok() ? std::string() : status.message();
    };
    const auto layout = [](std::int64_t pitch) {
        Layout l;
        l.axes = {{16, 1}, {6, 9 * pitch}, {7, pitch}};
        l.origin = 10 * pitch;
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
