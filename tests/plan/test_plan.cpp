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
        const Target* of = target;
        while (base_of(*of) != nullptr) {
            of = base_of(*of);
        }
        const std::string suffix = std::string("__") + of->id;
        // 9 * 7 * 16 * 9 of the branch, 16 times that of the convolution.
        CHECK(contains(text, std::string("built: target ") + target->id + ", "));
        CHECK(contains(text, "145152 MACs and 9072 of the LCCL branches"));
        CHECK(lines_with(text, {"node0", "branch_", suffix, "16x9x7 -> 1x9x7, 3x3"}) == 1);
        CHECK(lines_with(text, {"positions_", suffix, "1x9x7"}) == 1);
        CHECK(lines_with(text, {"node1", "gated_conv_", "_position" + suffix,
                                "16x9x7 -> 16x9x7, 3x3", "2304 MACs per position", " B packed"}) >=
              1);
        CHECK(lines_with(text, {"node1", "fill_", suffix}) >= 1);
        CHECK(lines_with(text, {"not fused"}) == 0);
    }
}

TEST_CASE("a plan says why a gate was not fused") {
    const Target& target = *possible_targets().front();
    CHECK(lines_with(explained(gated_by(1, 3, open_gate), target),
                     {"_mul__", "not fused: the gate is not clamped at zero"}) == 1);

    GraphBuilder shared(8);
    const ValueId x = shared.input({1, 16, 9, 7});
    const ValueId y = shared.conv(x, 16, 3);
    shared.output(shared.mul(y, shared.relu(shared.conv(x, 1, 1))));
    shared.output(y);
    CHECK(lines_with(explained(shared, target),
                     {"_mul__", "not fused: the convolution's ungated output is read elsewhere"}) ==
          1);

    GraphBuilder squeezed(9);  // one gate a channel, not a position
    const ValueId a = squeezed.input({1, 16, 9, 7});
    const ValueId pooled = squeezed.node(Op::global_average_pool, {a}, {1, 16, 1, 1});
    squeezed.output(
        squeezed.mul(squeezed.conv(a, 16, 3), squeezed.relu(squeezed.conv(pooled, 16, 1))));
    CHECK(lines_with(explained(squeezed, target),
                     {"_mul__", "not fused: the factors [1, 16, 9, 7] and [1, 16, 1, 1]"}) == 1);
}

TEST_CASE("a plan says when a gate an element is multiplied densely") {
    const GraphBuilder b = gated_by(16, 1, relu_gate);
    for (const Target* target : possible_targets()) {
        const auto plan = plan_of(b, *target, {.winograd = false});
        REQUIRE(plan.ok());
        const std::string text = explain(*plan.value());
        CHECK(lines_with(text, {"elements_"}) == 1);
        CHECK(lines_with(text, {"dot_conv_", "where at most", "of the gates are active"}) == 1);
        CHECK(lines_with(text,
                         {"gated_conv_", "_element__", "multiplied densely where more are"}) == 1);
        CHECK(lines_with(explained(b, *target),
                         {"_element__", "multiplied densely where more are"}) == 1);
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
            const ValueId x = image(b, 16);
            b.output(b.mul(b.conv(x, channels, 3), b.relu(b.conv(x, channels, 1))));
            const auto plan = checked_plan(b, *target);
            INFO(explain(*plan));
            const Steps counts = steps_of(*plan, Algorithm::open_count);
            const Steps lists = steps_of(*plan, Algorithm::elements);
            const Steps dots = steps_of(*plan, Algorithm::dot_conv);
            REQUIRE(counts.size() == 1);
            REQUIRE(lists.size() == 1);
            REQUIRE(dots.size() == 1);
            const Steps select = steps_of(*plan, Algorithm::select_way);
            REQUIRE(select.size() == 1);
            CHECK(!counts[0]->choice);
            CHECK(is_same(call_of<SelectWayCall>(*select[0]).first_count,
                          call_of<OpenCountCall>(*counts[0]).count));
            CHECK(chooses_as(*lists[0], *dots[0]));
            CHECK(lists[0]->choice->number == dots[0]->choice->number);
        }
    }
}

TEST_CASE("the first layer reads a normalised photograph's channels without lanes beside them") {
    for (const Target* target : possible_targets()) {
        GraphBuilder b(7);
        const ValueId x = b.normalize(b.input({1, 3, 16, 16}));
        b.output(b.relu(b.conv(x, 16, 3)));
        const auto plan = checked_plan(b, *target);
        INFO(explain(*plan));
        const Steps affine = steps_of(*plan, Algorithm::affine);
        const Steps conv = steps_of(*plan, Algorithm::gated_conv);
        REQUIRE(affine.size() == 1);
        REQUIRE(conv.size() == 1);
        CHECK(call_of<AffineCall>(*affine[0]).output.axes[1].stride == 3);
        CHECK(call_of<GatedConvCall>(*conv[0]).channel_stride == 3);
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
    GraphBuilder far(3);
    const ValueId near = far.input({1, 16, 2, 2});
    far.output(far.node(Op::conv_transpose, {near, far.constant({16, 8, 1, 1})}, {1, 8, 65, 66},
                        {{"strides", Shape{64, 65}}}));
    CHECK(contains(failure(far, "node0"),
                   "node0 (ConvTranspose): has strides [64, 65], whose outputs are too far apart"));
    CHECK(contains(
        failure(conv_with({8, 16, 1, 1}, {{"pads", Shape{-1, 0, 0, 0}}}, {1, 8, 8, 7}), "node0"),
        "has pads [-1, 0, 0, 0]"));
}

TEST_CASE("a convolution whose weights are not finite has neither tiles nor a gate") {
    const auto kernels_of = [](float weight, bool has_gate) {
        GraphBuilder b(4);
        const ValueId x = b.relu(b.conv(b.input({1, 4, 12, 8}), 16, 1));
        reference::Tensor weights{{16, 16, 3, 3}, std::vector<float>(16 * 16 * 9, 1.F)};
        weights.data[100] = weight;
        const ValueId y = b.node(Op::conv, {x, b.constant(weights)}, {1, 16, 12, 8},
                                 {{"pads", Shape{1, 1, 1, 1}}});
        b.output(has_gate ? b.mul(y, b.relu(b.conv(x, 1, 3))) : y);
        const auto plan = plan_of(b, *possible_targets().front());
        REQUIRE(plan.ok());
        return explain(*plan.value());
    };
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK(contains(kernels_of(1, false), "winograd_conv_f32_3x3_wide_none"));
    CHECK(contains(kernels_of(1, true), "winograd_conv_f32_3x3_c16_position"));
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
        for (const bool has_gate : {false, true}) {
            const std::string plan = kernels_of(bad, has_gate);
            INFO(plan);
            CHECK(!contains(plan, "winograd_"));
            CHECK(!contains(plan, "_position__"));
            CHECK(contains(plan, "not by Winograd: its weights are not finite"));
            CHECK(has_gate ==
                  contains(plan, "not fused: the convolution's weights are not finite"));
        }
    }
}

TEST_CASE("integers where floats belong, and weights without an output, are refused by name") {
    const auto set_integers = [](GraphBuilder& b, ValueId id) {
        Value& value = b.graph.values[std::size_t(id)];
        const auto count = std::size_t(element_count(value.shape));
        value.type = ElementType::int64;
        value.constant =
            std::make_shared<Constant>(Constant{value.shape, std::vector<std::int64_t>(count, 1)});
    };
    for (const bool in_bias : {false, true}) {
        GraphBuilder conv(6);
        const ValueId x = conv.input({1, 3, 4, 4});
        const ValueId weights = conv.constant({2, 3, 1, 1}), bias = conv.constant({2});
        set_integers(conv, in_bias ? bias : weights);
        conv.output(conv.node(Op::conv, {x, weights, bias}, {1, 2, 4, 4}));
        CHECK(contains(failure(conv, "node0"),
                       in_bias ? "has a bias of integers" : "has weights of integers"));

        GraphBuilder linear(6);
        const ValueId v = linear.input({1, 3});
        const ValueId matrix = linear.constant({3, 2}), row = linear.constant({2});
        set_integers(linear, in_bias ? row : matrix);
        linear.output(linear.node(Op::gemm, {v, matrix, row}, {1, 2}));
        CHECK(contains(failure(linear, "node0"),
                       in_bias ? "has a bias of integers" : "has weights of integers"));
    }
    GraphBuilder empty(6);
    const ValueId x = empty.input({1, 3, 4, 4});
    empty.output(empty.node(Op::conv, {x, empty.constant({0, 3, 1, 1})}, {1, 0, 4, 4}));
    CHECK(contains(failure(empty, "node0"), "gives [1, 0, 4, 4], which holds no element"));
}

TEST_CASE("operators and forms without a kernel are refused by name") {
    GraphBuilder where(5);
    const ValueId x = where.input({1, 3, 4, 4});
    where.output(where.node(Op::where, {where.integers({1}), x, x}, {1, 3, 4, 4}));
    const std::string message = failure(where, "node0");
    CHECK(contains(message, "node0 (Where): reads what the model computes from its input"));
    CHECK(contains(message, "replace it in the model"));

    GraphBuilder mean(5);
    mean.graph.batch_is_symbolic = true;
    mean.output(mean.node(Op::reduce_mean, {mean.input({1, 6, 5, 8})}, {1, 1, 5, 8},
                          {{"axes", Shape{0, 1}}}));
    CHECK(contains(failure(mean, "node0"), "reduces the batch"));

    GraphBuilder conv(5);
    const ValueId picture = conv.input({1, 3, 4, 4}), computed = conv.input({1, 3, 2, 2});
    conv.output(conv.node(Op::conv, {picture, computed}, {1, 1, 3, 3}));
    CHECK(contains(failure(conv, "node0"), "has weights that the model computes"));

    GraphBuilder solid(5);
    solid.output(solid.node(Op::conv,
                            {solid.input({1, 3, 9, 4, 4}), solid.constant({2, 3, 3, 1, 1})},
                            {1, 2, 7, 4, 4}));
    CHECK(contains(failure(solid, "node0"), "convolves [1, 3, 9, 4, 4], which is no [N, C, H, W]"));

    GraphBuilder mixed(5);
    mixed.graph.batch = 2;
    const ValueId two = mixed.input({2, 3, 4, 4});
    mixed.output(mixed.node(Op::reshape, {two, mixed.integers({6, 4, 4})}, {6, 4, 4}));
    CHECK(contains(failure(mixed, "node0"),
                   "does not begin with the batch of 2, or mixes its images"));

    GraphBuilder dilated(5);
    const ValueId z = dilated.input({1, 3, 9, 9});
    dilated.output(dilated.node(Op::max_pool, {z}, {1, 3, 5, 5},
                                {{"kernel_shape", Shape{3, 3}}, {"dilations", Shape{2, 2}}}));
    CHECK(contains(failure(dilated, "node0"), "has dilations [2, 2]"));
}

TEST_CASE("a pooling window is walked no farther than its input") {
    const auto pool = [](Op op, const Shape& x, const Shape& y, AttributeMap attributes) {
        GraphBuilder b(5);
        b.output(b.node(op, {b.input(x)}, y, std::move(attributes)));
        return b;
    };
    const auto extents_of = [&](const GraphBuilder& b) {
        const auto plan = plan_of(b, *possible_targets().front());
        REQUIRE(plan.ok());
        const Step& step = plan.value()->steps[1];
        const auto numbers_of = [](const auto& call) {
            return std::vector<std::int32_t>{call.kernel_x, call.kernel_y, call.stride_x,
                                             call.stride_y, call.pad_left, call.pad_top};
        };
        return step.kernel->algorithm == Algorithm::max_pool
                   ? numbers_of(call_of<MaxPoolCall>(step))
                   : numbers_of(call_of<AveragePoolCall>(step));
    };
    constexpr std::int64_t huge = std::int64_t{1} << 24;
    using Numbers = std::vector<std::int32_t>;
    for (const Op op : {Op::max_pool, Op::average_pool}) {
        // One window over all.
        CHECK(extents_of(pool(op, {1, 8, 5, 7}, {1, 8, 1, 1},
                              {{"kernel_shape", Shape{huge, huge}},
                               {"strides", Shape{huge, huge}},
                               {"pads", Shape{huge - 9, huge - 9, huge - 9, huge - 9}}})) ==
              Numbers{7, 5, huge, huge, 0, 0});
        // Of 13, windows over 4 pixels reach 6 before the first to 6 behind the last.
        CHECK(extents_of(pool(op, {1, 8, 4, 9}, {1, 8, 4, 9},
                              {{"kernel_shape", Shape{13, 13}}, {"pads", Shape{6, 6, 6, 6}}})) ==
              Numbers{13, 7, 1, 1, 6, 3});
        CHECK(extents_of(pool(op, {1, 8, 9, 9}, {1, 8, 5, 5},
                              {{"kernel_shape", Shape{3, 3}},
                               {"strides", Shape{2, 2}},
                               {"pads", Shape{1, 1, 1, 1}}})) == Numbers{3, 3, 2, 2, 1, 1});
        const auto windows = [&](Shape kernel, Shape strides, Shape pads) {
            return pool(op, {1, 8, 4, 4}, {1, 8, 2, 2},
                        {{"kernel_shape", kernel}, {"strides", strides}, {"pads", pads}});
        };
        CHECK(contains(failure(windows({2, 2}, {5, 5}, {3, 3, 3, 3}), "node0"),
                       "has windows of 2x2 that lie in the padding"));
        CHECK(contains(failure(windows({200, 200}, {102, 102}, {100, 100, 198, 198}), "node0"),
                       "for the most part"));
    }
}

TEST_CASE("a map of more elements than a kernel counts is refused by name") {
    GraphBuilder b(5);
    b.output(b.relu(b.input({1, 1, 46000, 46000})));
    CHECK(contains(failure(b, "input input0"), "gives [1, 1, 46000, 46000], which takes"));
}
