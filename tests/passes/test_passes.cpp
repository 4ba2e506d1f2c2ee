#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <limits>

#include "optimised.h"

using namespace sluice;

namespace {

/// One gated fused_conv and its branch, nothing else.
const Node& require_gated(const Graph& graph, GateForm form) {
    REQUIRE(graph.nodes.size() == 2);
    const Node &branch = graph.nodes[0], &conv = graph.nodes[1];
    REQUIRE(branch.op == Op::fused_conv);
    REQUIRE(conv.op == Op::fused_conv);
    CHECK(branch.fused_conv->is_branch);
    CHECK_FALSE(conv.fused_conv->is_branch);
    CHECK(conv.fused_conv->gate == form);
    CHECK(conv.inputs[1] == branch.outputs[0]);
    return conv;
}

}  // namespace

TEST_CASE("convolution, normalisation and ReLU become one convolution") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    b.output(b.relu(b.normalize(b.conv(b.input({2, 3, 5, 4}), 6, 3))));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 1);
    CHECK(graph.nodes[0].name == "node0");
    CHECK(graph.nodes[0].fused_conv->act.low == 0);
    CHECK(graph.nodes[0].fused_conv->post.is_none());
    CHECK(graph.outputs == b.graph.outputs);
}

TEST_CASE("position and element gates fuse, whichever factor comes first") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const bool swapped = GENERATE(false, true), element = GENERATE(false, true);
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId y = b.relu(b.normalize(b.conv(x, 6, 3)));
    const ValueId g = b.clip(b.normalize(b.conv(x, element ? 6 : 1, 1)), 0, 1);
    b.output(b.node(Op::mul, swapped ? std::vector{g, y} : std::vector{y, g}, b.shape(y)));
    const Graph graph = optimised(b);
    const Node& conv = require_gated(graph, element ? GateForm::element : GateForm::position);
    CHECK(conv.fused_conv->weights->shape[2] == 3);
    CHECK(conv.fused_conv->act.low == 0);
}

TEST_CASE("gates of channel blocks fuse in both exported forms") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const bool expanded = GENERATE(false, true);
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId y = b.conv(x, 6, 3);
    const ValueId g = b.clip(b.conv(x, 2, 3), 0, 1);
    const Shape wide = {2, 2, 3, 5, 4};
    const ValueId maps = b.node(Op::unsqueeze, {g}, {2, 2, 1, 5, 4});
    if (expanded) {
        const ValueId repeated = b.node(Op::expand, {maps}, wide);
        b.output(b.mul(y, b.node(Op::reshape, {repeated}, {2, 6, 5, 4})));
    } else {
        const ValueId product = b.mul(b.node(Op::reshape, {y}, wide), maps);
        b.output(b.node(Op::reshape, {product}, {2, 6, 5, 4}));
    }
    require_gated(optimised(b), GateForm::group);
}

TEST_CASE("pre-activation: normalisation and ReLU after the gate become scale, shift and post") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId product = b.mul(b.conv(x, 6, 3), b.relu(b.conv(x, 1, 3)));
    b.output(b.relu(b.normalize(product)));
    const Graph graph = optimised(b);
    const Node& conv = require_gated(graph, GateForm::position);
    CHECK(conv.fused_conv->act.is_none());
    CHECK(conv.fused_conv->post.low == 0);
}

TEST_CASE("normalisations in a row become one, alone and after a gate") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    std::size_t expected_nodes = 1;
    ValueId y = x;
    SECTION("alone") {}
    SECTION("after a gate") {
        y = b.mul(b.conv(x, 6, 3), b.relu(b.conv(x, 1, 3)));
        expected_nodes = 2;
    }
    b.output(b.relu(b.normalize(b.normalize(y))));
    CHECK(optimised(b).nodes.size() == expected_nodes);
}

TEST_CASE("gated layers in a row fuse, each with the sum of its block") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    ValueId x = b.input({2, 4, 5, 3});
    for (int block = 0; block < 3; ++block) {
        const ValueId gate = b.clip(b.normalize(b.conv(x, 1, 3)), 0, 1);
        x = b.relu(b.add_up(b.normalize(b.mul(b.conv(x, 4, 3), gate)), x));
    }
    b.output(x);
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 6);
    for (std::size_t block = 0; block < 3; ++block) {
        const Node &branch = graph.nodes[2 * block], &conv = graph.nodes[2 * block + 1];
        CHECK(branch.fused_conv->is_branch);
        CHECK(conv.inputs[1] == branch.outputs[0]);
        CHECK(conv.inputs[2] == conv.inputs[0]);
    }
}

TEST_CASE("what one node reads twice has two readers") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId y = b.conv(b.input({2, 3, 5, 4}), 6, 3);
    const bool is_sum = GENERATE(true, false);
    b.output(is_sum ? b.add_up(y, y) : b.mul(y, y));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[1].op == (is_sum ? Op::add : Op::mul));
}

TEST_CASE("deep networks are optimised in a time that grows as they do") {
    GraphBuilder b(1);
    ValueId x = b.input({1, 1, 1, 1});
    const int layers = 4000;
    for (int layer = 0; layer < layers; ++layer) {
        x = b.add_up(b.mul(b.conv(x, 1, 1), b.relu(b.conv(x, 1, 1))), x);
    }
    b.output(x);
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(optimise(b.graph).ok());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(b.graph.nodes.size() == 2 * layers);
    CHECK(seconds.count() < 5);  // 0.2; by walks over the graph, 12
}

TEST_CASE("a residual and its ReLU go into the gated convolution, not the shortcut's") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId product = b.mul(b.conv(x, 6, 3), b.clip(b.conv(x, 1, 1), 0, 1));
    const ValueId shortcut = b.normalize(b.conv(x, 6, 1));
    b.output(b.relu(b.add_up(shortcut, product)));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 3);
    const Node& sum = graph.nodes.back();
    CHECK(sum.fused_conv->gate == GateForm::position);
    CHECK(sum.fused_conv->post.low == 0);
    CHECK(sum.inputs[2] == graph.producer(sum.inputs[2])->outputs[0]);
    CHECK(graph.producer(sum.inputs[2])->fused_conv->gate == GateForm::none);
}

TEST_CASE("a constant of the output's own shape is no residual") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({1, 3, 5, 4});
    b.output(b.add_up(b.constant({1, 6, 5, 4}), b.conv(x, 6, 3)));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[0].inputs[2] == no_value);
    CHECK(graph.nodes[1].op == Op::add);
}

TEST_CASE("a scale after the residual stays behind it") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    b.output(b.relu(b.normalize(b.add_up(b.conv(x, 3, 3), x))));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[0].inputs[2] == x);
    CHECK(graph.nodes[1].op == Op::affine);
}

TEST_CASE("a tile gate fuses through Resize and marks its branch") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({1, 3, 4, 4});
    const ValueId coarse = b.node(Op::max_pool, {x}, {1, 3, 2, 2},
                                  {{"kernel_shape", Shape{2, 2}}, {"strides", Shape{2, 2}}});
    const ValueId g = b.node(Op::resize, {b.clip(b.conv(coarse, 1, 1), 0, 1)}, {1, 1, 4, 4},
                             {{"coordinate_transformation_mode", std::string("asymmetric")},
                              {"nearest_mode", std::string("floor")}});
    b.output(b.mul(b.conv(x, 6, 3), g));
    const Graph graph = optimised(b);
    CHECK(nodes_of(graph, Op::mul).empty());
    const auto convs = nodes_of(graph, Op::fused_conv);
    REQUIRE(convs.size() == 2);
    CHECK(convs[0]->fused_conv->is_branch);
    CHECK(convs[1]->fused_conv->gate == GateForm::position);
}

// In one number with the weights, 0 * infinity would be NaN where conv(x) is none.
TEST_CASE("scales and shifts that are not finite stay behind what they follow") {
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
        for (const bool is_gated : {false, true}) {
            for (const bool is_scale : {false, true}) {
                GraphBuilder b(6);
                const ValueId x = b.input({2, 3, 5, 4});
                reference::Tensor weights{{2, 3, 1, 1}, {0, 1, 2, 3, 4, 0}};
                ValueId y = b.node(Op::conv, {x, b.constant(weights)}, {2, 2, 5, 4});
                y = is_gated ? b.mul(y, b.relu(b.conv(x, 1, 1))) : y;
                const ValueId by = b.constant(reference::Tensor{{1, 2, 1, 1}, {1, bad}});
                b.output(b.relu(is_scale ? b.mul(y, by) : b.add_up(y, by)));
                const Graph graph = optimised(b);
                CHECK(nodes_of(graph, Op::affine).size() == 1);
            }
        }
    }
}

TEST_CASE("Clip without a bound keeps to float's range, and NaN is no bound") {
    const float most = std::numeric_limits<float>::max();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto clamp_of = [](const std::vector<float>& bounds) {
        GraphBuilder b(7);
        std::vector<ValueId> inputs = {b.input({1, 2, 3, 3})};
        for (const float bound : bounds) {
            inputs.push_back(b.constant(reference::Tensor{{}, {bound}}));
        }
        b.output(b.node(Op::clip, inputs, {1, 2, 3, 3}));
        Graph graph = b.graph;
        REQUIRE(optimise(graph).ok());
        return graph.nodes[0].affine->clamp;
    };
    CHECK(clamp_of({}).low == -most);
    CHECK(clamp_of({}).high == most);
    CHECK(clamp_of({0}).is_relu());
    CHECK(clamp_of({0, nan}).is_relu());
    CHECK(clamp_of({nan, nan}).is_none());
}

TEST_CASE("what is no gate stays a product, with the reason") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId y = b.conv(x, 6, 3);
    std::string reason;
    SECTION("a second reader") {
        b.output(b.mul(y, b.relu(b.conv(x, 1, 1))));
        b.output(b.relu(y));
        reason = "read elsewhere";
    }
    SECTION("a gate without a clamp") {
        b.output(b.mul(y, b.conv(x, 1, 1)));
        reason = "not clamped";
    }
    SECTION("a clamp whose bounds make it negative") {
        b.output(b.mul(y, b.clip(b.conv(x, 1, 1), 1, -1)));
        reason = "not clamped";
    }
    SECTION("weights that a gate of zero would hide") {
        reference::Tensor weights{{6, 3, 1, 1}, std::vector<float>(18, 0.5F)};
        weights.data[7] = std::numeric_limits<float>::quiet_NaN();
        const ValueId bad = b.node(Op::conv, {x, b.constant(weights)}, {2, 6, 5, 4});
        b.output(b.mul(bad, b.relu(b.conv(x, 1, 1))));
        reason = "not finite";
    }
    SECTION("a gate of one value per channel") {
        const ValueId mean =
            b.node(Op::global_average_pool, {b.relu(b.conv(x, 6, 1))}, {2, 6, 1, 1});
        b.output(b.mul(y, b.relu(mean)));
        reason = "do not match";
    }
    SECTION("two convolutions that could both be the gate") {
        b.output(b.mul(b.relu(y), b.relu(b.conv(x, 6, 3))));
        reason = "either factor";
    }
    const Graph graph = optimised(b);
    const auto products = nodes_of(graph, Op::mul);
    REQUIRE(products.size() == 1);
    CHECK_THAT(products[0]->remark, Catch::Contains(reason));
    for (const Node* conv : nodes_of(graph, Op::fused_conv)) {
        CHECK(conv->fused_conv->gate == GateForm::none);
        CHECK_FALSE(conv->fused_conv->is_branch);
    }
}

TEST_CASE("Identity and ReduceMean are rewritten to what plans know") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId same = b.node(Op::identity, {x}, b.shape(x));
    b.output(b.node(Op::reduce_mean, {same}, {2, 3},
                    {{"axes", Shape{-1, -2}}, {"keepdims", std::int64_t{0}}}));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[0].op == Op::global_average_pool);
    CHECK(graph.nodes[1].op == Op::reshape);
    CHECK(graph.outputs == b.graph.outputs);
}

TEST_CASE("a border of zeros goes into a convolution or an average, not into a maximum") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId zero = b.constant(reference::Tensor{{}, {0}});
    const ValueId bordered =
        b.node(Op::pad, {x, b.integers({0, 0, 1, 0, 0, 0, 2, 1}), zero}, {2, 3, 8, 5});
    const AttributeMap window = {{"kernel_shape", Shape{3, 3}}};
    std::size_t pads_left = 0;
    SECTION("convolution") { b.output(b.conv(bordered, 4, 3)); }
    SECTION("average") { b.output(b.node(Op::average_pool, {bordered}, {2, 3, 6, 3}, window)); }
    SECTION("maximum") {
        b.output(b.node(Op::max_pool, {bordered}, {2, 3, 6, 3}, window));
        pads_left = 1;
    }
    SECTION("a border that is not zero") {
        b.graph.nodes.back().inputs[2] = b.constant(reference::Tensor{{}, {1}});
        b.output(b.conv(bordered, 4, 3));
        pads_left = 1;
    }
    CHECK(nodes_of(optimised(b), Op::pad).size() == pads_left);
}

TEST_CASE("a border as wide as a window stays before the average") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 3, 5, 4});
    const ValueId wide = b.node(Op::pad, {x, b.integers({0, 0, 0, 1, 0, 0, 0, 2})}, {2, 3, 5, 7});
    b.output(b.node(Op::average_pool, {wide}, {2, 3, 5, 6}, {{"kernel_shape", Shape{1, 2}}}));
    CHECK(nodes_of(optimised(b), Op::pad).size() == 1);
}

TEST_CASE("MatMul and its bias become Gemm") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({2, 6});
    const ValueId y = b.node(Op::mat_mul, {x, b.constant({6, 4})}, {2, 4});
    b.output(b.node(Op::add, {b.constant({4}), y}, {2, 4}));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 1);
    CHECK(graph.nodes[0].op == Op::gemm);
}

TEST_CASE("convolutions with groups and dilation, and transposed ones, become fused ones") {
    GraphBuilder b(1);
    const ValueId x = b.input({1, 4, 5, 6});
    const ValueId y = b.node(
        Op::conv, {x, b.constant({6, 2, 3, 3}), b.constant({6})}, {1, 6, 3, 6},
        {{"group", std::int64_t{2}}, {"dilations", Shape{2, 1}}, {"pads", Shape{1, 1, 1, 1}}});
    const ValueId z =
        b.node(Op::conv_transpose, {b.relu(y), b.constant({6, 1, 2, 3})}, {1, 3, 6, 12},
               {{"group", std::int64_t{3}}, {"strides", Shape{2, 2}}, {"pads", Shape{0, 1, 0, 0}}});
    b.output(b.relu(b.normalize(z)));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[0].fused_conv->groups == 2);
    CHECK(graph.nodes[1].fused_conv->is_transposed());
}

TEST_CASE("an unknown shape is a failure that names the node") {
    GraphBuilder b(1);
    b.output(b.relu(b.input({1, 1, 4, 4})));
    b.graph.values[std::size_t(b.graph.outputs[0])].shape_known = false;
    CHECK_THAT(optimise(b.graph).message(), Catch::Contains("node0 (Relu)"));
}

TEST_CASE("a Cast of activations to 16 bits, which would round them, is refused") {
    for (const auto& [to, name] : {std::pair(10, "float16"), std::pair(16, "bfloat16")}) {
        GraphBuilder b(1);
        const ValueId x = b.input({1, 1, 4, 4});
        const ValueId half = b.node(Op::cast, {x}, b.shape(x), {{"to", std::int64_t{to}}});
        b.output(b.relu(b.node(Op::cast, {half}, b.shape(x), {{"to", std::int64_t{1}}})));
        CHECK_THAT(optimise(b.graph).message(),
                   Catch::Contains("node0 (Cast): rounds") && Catch::Contains(name));
    }
}
