#include <catch2/catch.hpp>
#include <cmath>

#include "builder.h"
#include "passes/passes.h"

using namespace sluice;

namespace {

ValueId number(GraphBuilder& b, float value) { return b.constant(reference::Tensor{{}, {value}}); }

ValueId apply(GraphBuilder& b, Op op, ValueId x, AttributeMap attributes = {}) {
    return b.node(op, {x}, b.shape(x), std::move(attributes));
}

ValueId apply(GraphBuilder& b, Op op, ValueId x, float value) {
    return b.node(op, {x, number(b, value)}, b.shape(x));
}

/// The only node that a graph of y becomes, which gives what the graph gives; none where there are
/// several.
std::optional<Activation> only_activation(GraphBuilder& b, ValueId y) {
    b.output(y);
    const reference::Tensor x{b.shape(b.graph.inputs[0]),
                              b.numbers(b.shape(b.graph.inputs[0]), -4, 4)};
    Graph graph = b.graph;
    REQUIRE(optimise(graph).ok());
    const auto before = reference::interpret(b.graph, {x}),
               after = reference::interpret(graph, {x});
    REQUIRE(before.ok());
    REQUIRE(after.ok());
    for (std::size_t i = 0; i < x.data.size(); ++i) {
        REQUIRE(after.value()[0].data[i] == Approx(before.value()[0].data[i]).margin(2e-6));
    }
    return graph.nodes.size() == 1 ? graph.nodes[0].activation : std::nullopt;
}

}  // namespace

TEST_CASE("x * sigmoid(alpha * x) is a SiLU") {
    GraphBuilder b(1);
    const ValueId x = b.input({1, 5, 4, 3});
    const bool is_plain = GENERATE(true, false);
    const ValueId inner = is_plain ? x : apply(b, Op::mul, x, 1.5F);
    const auto found = only_activation(b, b.mul(apply(b, Op::sigmoid, inner), x));
    REQUIRE(found);
    CHECK(found->kind == ActivationKind::silu);
    CHECK(found->alpha == (is_plain ? 1 : 1.5F));
}

TEST_CASE("Gelu is found wherever its half stands") {
    GraphBuilder b(2);
    const ValueId x = b.input({1, 5, 4, 3});
    const ValueId erf = apply(b, Op::erf, apply(b, Op::div, x, std::sqrt(2.0F)));
    const ValueId gate = apply(b, Op::add, erf, 1);
    const int place = GENERATE(0, 1, 2);
    const ValueId y = place == 0   ? b.mul(apply(b, Op::mul, x, 0.5F), gate)
                      : place == 1 ? b.mul(x, apply(b, Op::mul, gate, 0.5F))
                                   : apply(b, Op::mul, b.mul(x, gate), 0.5F);
    const auto found = only_activation(b, y);
    REQUIRE(found);
    CHECK(found->kind == ActivationKind::gelu);
}

TEST_CASE("Gelu by tanh is found, its cube as a power") {
    GraphBuilder b(3);
    const ValueId x = b.input({1, 5, 4, 3});
    const ValueId cube = apply(b, Op::pow, x, 3);
    const ValueId sum = b.add_up(x, apply(b, Op::mul, cube, 0.044715F));
    const ValueId tanh = apply(b, Op::tanh, apply(b, Op::mul, sum, 0.7978845608F));
    const auto found =
        only_activation(b, b.mul(apply(b, Op::mul, x, 0.5F), apply(b, Op::add, tanh, 1)));
    REQUIRE(found);
    CHECK(found->kind == ActivationKind::gelu_tanh);
}

TEST_CASE("HardSwish is found, its sixth before the product or behind it") {
    GraphBuilder b(4);
    const ValueId x = b.input({1, 5, 4, 3});
    const ValueId clip = b.clip(apply(b, Op::add, x, 3), 0, 6);
    const bool is_last = GENERATE(true, false);
    const auto found = only_activation(
        b, is_last ? apply(b, Op::div, b.mul(x, clip), 6) : b.mul(x, apply(b, Op::div, clip, 6)));
    REQUIRE(found);
    CHECK(found->kind == ActivationKind::hard_swish);
    CHECK(found->alpha == Approx(1.0 / 6));
    CHECK(found->beta == Approx(0.5));
}

TEST_CASE("x * tanh(softplus(x)) is a Mish") {
    GraphBuilder b(5);
    const ValueId x = b.input({1, 5, 4, 3});
    const auto found = only_activation(b, b.mul(x, apply(b, Op::tanh, apply(b, Op::softplus, x))));
    REQUIRE(found);
    CHECK(found->kind == ActivationKind::mish);
}

TEST_CASE("a product with a function of another value, or with another constant, stays") {
    GraphBuilder b(6);
    const ValueId x = b.input({1, 5, 4, 3});
    const int form = GENERATE(0, 1, 2, 3);
    const ValueId other = apply(b, Op::softplus, x);
    ValueId y = no_value;
    switch (form) {
        case 0:
            y = b.mul(x, apply(b, Op::sigmoid, other));
            break;
        case 1:  // 1.1 + erf
            y = b.mul(x, apply(b, Op::add, apply(b, Op::erf, x), 1.1F));
            break;
        case 2:  // erf(x / 2)
            y = b.mul(x, apply(b, Op::add, apply(b, Op::erf, apply(b, Op::mul, x, 0.5F)), 1));
            break;
        default:  // a clip that does not begin at 0
            y = b.mul(x, b.clip(apply(b, Op::add, x, 3), -1, 6));
            break;
    }
    CHECK_FALSE(only_activation(b, y));
}

TEST_CASE("a convolution takes the SiLU or HardSwish of what nothing else reads of it") {
    GraphBuilder b(7);
    const ValueId x = b.input({1, 5, 6, 5});
    const ValueId conv = b.clip(b.normalize(b.conv(x, 7, 3)), -1, 2);
    const int form = GENERATE(0, 1, 2, 3, 4);
    const auto hard_swish = [&b](ValueId of) {
        return apply(b, Op::div, b.mul(of, b.clip(apply(b, Op::add, of, 3), 0, 6)), 6);
    };
    const ValueId y = form == 0   ? b.mul(conv, apply(b, Op::sigmoid, conv))
                      : form == 4 ? apply(b, Op::tanh, conv)
                                  : hard_swish(conv);
    b.output(form == 2 ? b.add_up(y, conv) : y);
    if (form == 3) {
        b.output(conv);
    }
    const reference::Tensor input{b.shape(x), b.numbers(b.shape(x), -2, 2)};
    Graph graph = b.graph;
    REQUIRE(optimise(graph).ok());
    const auto before = reference::interpret(b.graph, {input});
    const auto after = reference::interpret(graph, {input});
    REQUIRE(before.ok());
    REQUIRE(after.ok());
    for (std::size_t i = 0; i < before.value()[0].data.size(); ++i) {
        REQUIRE(after.value()[0].data[i] == Approx(before.value()[0].data[i]).margin(2e-6));
    }
    REQUIRE(graph.nodes[0].fused_conv);
    const auto& taken = graph.nodes[0].fused_conv->activation;
    CHECK(bool(taken) == (form < 2));
    CHECK((graph.nodes.size() == 1) == (form < 2));
    if (taken) {
        CHECK(taken->kind == (form == 0 ? ActivationKind::silu : ActivationKind::hard_swish));
    }
}
