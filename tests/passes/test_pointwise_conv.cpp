#include <algorithm>
#include <catch2/catch.hpp>

#include "optimised.h"

using namespace sluice;

namespace {

std::ptrdiff_t count(const Graph& graph, Op op) {
    return std::ranges::count_if(graph.nodes, [op](const Node& node) { return node.op == op; });
}

ValueId transpose(GraphBuilder& b, ValueId x, const Shape& order) {
    const Shape shape = b.shape(x);
    Shape to;
    for (const std::int64_t axis : order) {
        to.push_back(shape[std::size_t(axis)]);
    }
    return b.node(Op::transpose, {x}, to, {{"perm", order}});
}

/// Of a value whose channels are last, with a bias.
ValueId multiply(GraphBuilder& b, ValueId x, std::int64_t outputs) {
    Shape shape = b.shape(x);
    const ValueId weights = b.constant({shape[3], outputs});
    shape[3] = outputs;
    return b.add_up(b.node(Op::mat_mul, {x, weights}, shape), b.constant({outputs}));
}

}  // namespace

TEST_CASE("two products by constants, channels last, become two convolutions of images") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({1, 5, 4, 3});
    ValueId y = transpose(b, x, {0, 2, 3, 1});
    y = multiply(b, y, 7);
    y = multiply(b, b.mul(y, b.node(Op::sigmoid, {y}, b.shape(y))), 5);
    y = b.node(Op::mul, {y, b.constant({1, 1, 5})}, b.shape(y));
    b.output(b.add_up(transpose(b, y, {0, 3, 1, 2}), x));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[0].fused_conv->activation);
    CHECK(graph.nodes[0].fused_conv->weights->shape == Shape{7, 5, 1, 1});
    CHECK(graph.nodes[1].fused_conv->weights->shape == Shape{5, 7, 1, 1});
    CHECK(graph.nodes[1].inputs[2] == graph.inputs[0]);
}

TEST_CASE("a product of what the model takes with channels last stands between transposes") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    b.output(multiply(b, b.input({1, 4, 3, 5}), 6));
    const Graph graph = optimised(b);
    CHECK(count(graph, Op::transpose) == 2);
    CHECK(count(graph, Op::fused_conv) == 1);
    CHECK(graph.outputs == b.graph.outputs);
}

TEST_CASE("a value that is read with channels first and last is there as both") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({1, 4, 3, 5});
    const ValueId y = multiply(b, x, 6), image = transpose(b, y, {0, 3, 1, 2});
    b.output(image);
    b.output(b.node(Op::softmax, {y}, b.shape(y), {{"axis", std::int64_t(3)}}));
    b.output(b.conv(image, 2, 3));
    b.output(b.mul(y, y));
    const Graph graph = optimised(b);
    CHECK(graph.outputs == b.graph.outputs);
    CHECK(count(graph, Op::fused_conv) == 2);
}

TEST_CASE("a value whose channels are last, of which a transpose makes the rows channels") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId y = multiply(b, b.input({1, 4, 3, 5}), 6);
    b.output(multiply(b, transpose(b, y, {0, 2, 3, 1}), 2));
    CHECK(count(optimised(b), Op::fused_conv) == 2);
}

TEST_CASE("weights that two products share, and operands that are no channels, stay right") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({1, 4, 3, 5}), weights = b.constant({5, 5});
    const ValueId first = b.node(Op::mat_mul, {x, weights}, b.shape(x));
    const ValueId second = b.node(Op::mat_mul, {first, weights}, b.shape(x));
    const ValueId rows = b.mul(second, b.constant({1, 4, 1, 1}));
    b.output(b.add_up(b.add_up(rows, b.constant({3, 5})), second));
    const Graph graph = optimised(b);
    CHECK(count(graph, Op::fused_conv) == 2);
}

TEST_CASE("other products and transposes keep their order of extents") {
    GraphBuilder b(GENERATE(1U, 2U, 3U));
    const ValueId x = b.input({1, 4, 3, 5}), z = b.input({1, 4, 5, 2});
    const ValueId y = transpose(b, multiply(b, x, 6), {0, 2, 1, 3});
    b.output(b.node(Op::mat_mul, {x, z}, {1, 4, 3, 2}));
    b.output(multiply(b, y, 3));
    const Graph graph = optimised(b);
    CHECK(count(graph, Op::mat_mul) == 1);
    CHECK(count(graph, Op::fused_conv) == 2);
}
