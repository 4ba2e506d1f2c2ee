#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>

#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

namespace {

std::string explained(const GraphBuilder& b, const Target& target) {
    const auto plan = plan_of(b, target);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    return explain(*plan.value());
}

/// Lines of a plan that hold all of the parts.
int lines_with(const std::string& text, const std::vector<std::string>& parts) {
    int count = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        count += std::all_of(parts.begin(), parts.end(), [&line](const std::string& part) {
            return line.find(part) != std::string::npos;
        });
        at = end == std::string::npos ? text.size() : end + 1;
    }
    return count;
}

/// A convolution times `gate(branch)`, 16 channels at 9x7.
template <typename Gate>
GraphBuilder gated_by(std::int64_t maps, std::int64_t kernel, Gate gate) {
    GraphBuilder b(7);
    const ValueId x = b.input({1, 16, 9, 7});
    const ValueId branch = b.conv(x, maps, kernel);
    const ValueId y = b.conv(x, 16, 3);
    b.output(b.mul(y, gate(b, branch)));
    return b;
}

ValueId relu_gate(GraphBuilder& b, ValueId branch) { return b.relu(branch); }
ValueId open_gate(GraphBuilder&, ValueId branch) { return branch; }

/// The failure of make_plan on every target: the same line, of this node, with a remedy.
std::string failure(const GraphBuilder& b, const std::string& node) {
    std::string message;
    for (const Target* target : possible_targets()) {
        const auto plan = plan_of(b, *target);
        REQUIRE(!plan.ok());
        message = plan.status().message();
        CAPTURE(message);
        CHECK(message.rfind("built: " + node + " (", 0) == 0);
        CHECK(message.find('\n') == std::string::npos);
        CHECK(!plan.status().problem().remedy.empty());
    }
    return message;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a plan names each step's kernel, shape and bytes") {
    const GraphBuilder b = gated_by(1, 3, relu_gate);
    for (const Target* target : possible_targets()) {
        const std::string text = explained(b, *target);
        CAPTURE(text);
        const std::string suffix = std::string("__") + target->float32;
        // 9 * 7 * 16 * 9 of the branch, 16 times that of the convolution.
        CHECK(contains(text, std::string("built: target ") + target->id + ", "));
        CHECK(contains(text, "145152 MACs and 9072 of the branches"));
        CHECK(lines_with(text, {"node0", "branch_", suffix, "16x9x7 -> 1x9x7, 3x3"}) == 1);
        CHECK(lines_with(text, {"positions_", suffix, "1x9x7"}) == 1);
        CHECK(lines_with(text, {"node1", "gated_conv_", suffix, "16x9x7 -> 16x9x7, 3x3",
                                "2304 MACs a position", " B packed"}) >= 1);
        CHECK(lines_with(text, {"node1", "fill_", suffix}) >= 1);
        CHECK(lines_with(text, {"not fused"}) == 0);
    }
}

TEST_CASE("a plan says why a gate was not fused") {
    const Target& target = *possible_targets().front();
    CHECK(lines_with(explained(gated_by(1, 3, open_gate), target),
                     {"mul_", "not fused: the gate is not clamped at zero"}) == 1);

    GraphBuilder shared(8);
    const ValueId x = shared.input({1, 16, 9, 7});
    const ValueId y = shared.conv(x, 16, 3);
    shared.output(shared.mul(y, shared.relu(shared.conv(x, 1, 1))));
    shared.output(y);
    CHECK(lines_with(explained(shared, target),
                     {"mul_", "not fused: the convolution's ungated output is read elsewhere"}) ==
          1);

    GraphBuilder squeezed(9);  // one gate a channel, not a position
    const ValueId a = squeezed.input({1, 16, 9, 7});
    const ValueId pooled = squeezed.node(Op::global_average_pool, {a}, {1, 16, 1, 1});
    squeezed.output(
        squeezed.mul(squeezed.conv(a, 16, 3), squeezed.relu(squeezed.conv(pooled, 16, 1))));
    CHECK(lines_with(explained(squeezed, target),
                     {"mul_", "not fused: the factors [1, 16, 9, 7] and [1, 16, 1, 1]"}) == 1);
}

TEST_CASE("a plan says when a gate an element is multiplied densely") {
    const GraphBuilder b = gated_by(16, 1, relu_gate);
    for (const Target* target : possible_targets()) {
        const auto plan = plan_of(b, *target, {.winograd = false});
        REQUIRE(plan.ok());
        const std::string text = explain(*plan.value());
        CHECK(lines_with(text, {"elements_"}) == 1);
        CHECK(lines_with(text, {"dot_conv_", "where at most", "of the gates are open"}) == 1);
        CHECK(lines_with(text, {"element_conv_", "multiplied densely where more are"}) == 1);
        CHECK(lines_with(explained(b, *target),
                         {"element_", "multiplied densely where more are"}) == 1);
        REQUIRE(plan.value()->gates.size() == 1);
        CHECK(plan.value()->gates[0].skips);
        CHECK(plan.value()->gates[0].groups == 16);
    }
}

TEST_CASE(
    "the open elements are counted in each run, and listed where dot products read the list") {
    for (const std::int64_t channels : {16, 17}) {
        for (const Target* target : possible_targets()) {
            GraphBuilder b(7);
            const ValueId x = picture(b, 16);
            b.output(b.mul(b.conv(x, channels, 3), b.relu(b.conv(x, channels, 1))));
            const auto plan = checked_plan(b, *target);
            INFO(explain(*plan));
            const Steps counts = steps_of(*plan, Family::open_count);
            const Steps lists = steps_of(*plan, Family::elements);
            const Steps dots = steps_of(*plan, Family::dot_conv);
            REQUIRE(counts.size() == 1);
            REQUIRE(lists.size() == 1);
            REQUIRE(dots.size() == 1);
            CHECK(!counts[0]->condition);
            REQUIRE(lists[0]->condition);
            REQUIRE(dots[0]->condition);
            CHECK(is_same(lists[0]->condition->count, buffer(*counts[0], 1)));
            CHECK(is_same(dots[0]->condition->count, buffer(*counts[0], 1)));
            CHECK(lists[0]->condition->limit == dots[0]->condition->limit);
            CHECK(!lists[0]->condition->above);
        }
    }
}

TEST_CASE("convolutions that no kernel computes are refused by name") {
    const auto conv_with = [](const Shape& weights, const AttributeMap& attributes,
                              const Shape& y) {
        GraphBuilder b(3);
        const ValueId x = b.input({1, 16, 9, 7});
        b.output(b.node(Op::conv, {x, b.constant(weights)}, y, attributes));
        return b;
    };
    const std::string grouped =
        failure(conv_with({16, 4, 1, 1}, {{"group", std::int64_t{4}}}, {1, 16, 9, 7}), "node0");
    CHECK(contains(grouped, "no kernel computes it: not lowered: it is grouped"));
    CHECK(contains(grouped, "replace it in the model"));
    CHECK(contains(
        failure(conv_with({8, 16, 3, 3}, {{"dilations", Shape{2, 2}}}, {1, 8, 5, 3}), "node0"),
        "it is dilated"));
    CHECK(contains(
        failure(conv_with({8, 16, 1, 1}, {{"pads", Shape{-1, 0, 0, 0}}}, {1, 8, 8, 7}), "node0"),
        "negative padding"));
}

TEST_CASE("weights that are not finite are refused by name") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const float bad : {nan, std::numeric_limits<float>::infinity()}) {
        GraphBuilder conv(4);
        const ValueId x = conv.input({1, 3, 4, 4});
        reference::Tensor weights{{2, 3, 1, 1}, std::vector<float>(6, 1.F)};
        weights.data[4] = bad;
        conv.output(conv.node(Op::conv, {x, conv.constant(weights)}, {1, 2, 4, 4}));
        CHECK(contains(failure(conv, "node0"), "weights that are not finite numbers"));

        GraphBuilder gated(4);  // in the gate's branch
        const ValueId z = gated.input({1, 3, 4, 4});
        weights = {{1, 3, 1, 1}, {1, bad, 1}};
        const ValueId branch = gated.node(Op::conv, {z, gated.constant(weights)}, {1, 1, 4, 4});
        gated.output(gated.mul(gated.conv(z, 2, 3), gated.relu(branch)));
        CHECK(contains(failure(gated, "node0"), "weights that are not finite numbers"));

        GraphBuilder linear(4);
        const ValueId v = linear.input({1, 3});
        linear.output(linear.node(
            Op::gemm, {v, linear.constant(reference::Tensor{{3, 1}, {1, bad, 1}})}, {1, 1}));
        CHECK(contains(failure(linear, "node0"), "weights that are not finite numbers"));

        GraphBuilder scaled(4);
        const ValueId s = scaled.input({1, 3, 4, 4});
        scaled.output(scaled.mul(s, scaled.constant(reference::Tensor{{1, 3, 1, 1}, {1, bad, 1}})));
        CHECK(contains(failure(scaled, "node0"), "weights that are not finite numbers"));
    }
}

TEST_CASE("integers where floats belong, and weights without an output, are refused by name") {
    const auto set_integers = [](GraphBuilder& b, ValueId id) {
        Value& value = b.graph.values[std::size_t(id)];
        const auto count = std::size_t(element_count(value.shape));
        value.is_float = false;
        value.constant =
            std::make_shared<Constant>(Constant{value.shape, std::vector<std::int64_t>(count, 1)});
    };
    for (const bool in_bias : {false, true}) {
        GraphBuilder conv(6);
        const ValueId x = conv.input({1, 3, 4, 4});
        const ValueId weights = conv.constant({2, 3, 1, 1}), bias = conv.constant({2});
        set_integers(conv, in_bias ? bias : weights);
        conv.output(conv.node(Op::conv, {x, weights, bias}, {1, 2, 4, 4}));
        CHECK(contains(failure(conv, "node0"), "not lowered: its weights are integers"));

        GraphBuilder linear(6);
        const ValueId v = linear.input({1, 3});
        const ValueId matrix = linear.constant({3, 2}), row = linear.constant({2});
        set_integers(linear, in_bias ? row : matrix);
        linear.output(linear.node(Op::gemm, {v, matrix, row}, {1, 2}));
        CHECK(contains(failure(linear, "node0"), "use [N, I] times constant float weights"));
    }
    GraphBuilder empty(6);
    const ValueId x = empty.input({1, 3, 4, 4});
    empty.output(empty.node(Op::conv, {x, empty.constant({0, 3, 1, 1})}, {1, 0, 4, 4}));
    CHECK(contains(failure(empty, "node0"), "gives [1, 0, 4, 4], which holds no element"));
}

TEST_CASE("operators and forms without a kernel are refused by name") {
    GraphBuilder gather(5);
    const ValueId x = gather.input({1, 3, 4, 4});
    gather.output(gather.node(Op::gather, {x, gather.integers({0})}, {1, 3, 4, 4}));
    const std::string message = failure(gather, "node0");
    CHECK(contains(message, "node0 (Gather): no kernel computes it"));
    CHECK(contains(message, "replace it in the model by supported operators"));

    GraphBuilder mixed(5);
    mixed.graph.batch = 2;
    const ValueId two = mixed.input({2, 3, 4, 4});
    mixed.output(mixed.node(Op::reshape, {two, mixed.integers({6, 4, 4})}, {6, 4, 4}));
    CHECK(contains(failure(mixed, "node0"), "mixes the pictures of a batch of 2"));

    GraphBuilder dilated(5);
    const ValueId z = dilated.input({1, 3, 9, 9});
    dilated.output(dilated.node(Op::max_pool, {z}, {1, 3, 5, 5},
                                {{"kernel_shape", Shape{3, 3}}, {"dilations", Shape{2, 2}}}));
    CHECK(contains(failure(dilated, "node0"), "is dilated"));
}
