#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "graph/graph.h"

namespace {

using namespace sluice;

/// x -> first -> second -> y, and aside: x, first -> unread.
struct Chain {
    Graph graph;
    ValueId x = add("x"), first = add("first"), y = add("y"), unread = add("unread");

    Chain() {
        graph.file = "model.onnx";
        graph.inputs = {x};
        graph.outputs = {y};
        graph.nodes = {node("a", {x}, {first}), node("b", {first}, {y}),
                       node("aside", {x, no_value, first}, {unread})};
    }

    ValueId add(const char* name) {
        Value value;
        value.name = name;
        return graph.add_value(value);
    }

    static Node node(const char* name, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
        Node node;
        node.op = Op::relu;
        node.name = name;
        node.inputs = std::move(inputs);
        node.outputs = std::move(outputs);
        return node;
    }
};

std::vector<std::string> node_names(const Graph& graph) {
    std::vector<std::string> names;
    for (const Node& node : graph.nodes) {
        names.push_back(node.name);
    }
    return names;
}

}  // namespace

TEST_CASE("values are numbered in the order in which they are added") {
    Chain chain;
    CHECK(chain.x == 0);
    CHECK(chain.unread == 3);
    CHECK(chain.graph.values[std::size_t(chain.y)].name == "y");
}

TEST_CASE("the producer is the node that writes a value") {
    Chain chain;
    Graph& graph = chain.graph;
    CHECK(graph.producer(chain.y) == &graph.nodes[1]);
    CHECK(graph.producer(chain.x) == nullptr);
    CHECK(graph.producer(no_value) == nullptr);
    graph.producer(chain.first)->name = "renamed";
    CHECK(graph.nodes[0].name == "renamed");
}

TEST_CASE("a constant is found where the value has one") {
    Chain chain;
    chain.graph.values[std::size_t(chain.x)].constant =
        std::make_shared<Constant>(Constant{{2}, std::vector<std::int64_t>{3, 4}});
    const Constant* constant = chain.graph.constant(chain.x);
    REQUIRE(constant != nullptr);
    CHECK(!constant->is_float());
    CHECK(constant->ints() == std::vector<std::int64_t>{3, 4});
    CHECK(chain.graph.constant(chain.y) == nullptr);
    CHECK(chain.graph.constant(no_value) == nullptr);
}

TEST_CASE("an attribute that is absent or of another type gives the fallback") {
    Chain chain;
    const Graph& graph = chain.graph;
    Node node = Chain::node("n", {}, {});
    node.attributes = {{"axis", std::int64_t(-2)},
                       {"alpha", 0.5f},
                       {"mode", std::string("linear")},
                       {"pads", Shape{1, 2}}};
    CHECK(graph.int_attribute(node, "axis", 7) == -2);
    CHECK(graph.int_attribute(node, "alpha", 7) == 7);
    CHECK(graph.int_attribute(node, "none", 7) == 7);
    CHECK(graph.float_attribute(node, "alpha", 7) == 0.5f);
    CHECK(graph.float_attribute(node, "axis", 7) == 7);
    CHECK(graph.string_attribute(node, "mode", "nearest") == "linear");
    CHECK(graph.string_attribute(node, "pads", "nearest") == "nearest");
    CHECK(graph.ints_attribute(node, "pads", {9}) == Shape{1, 2});
    CHECK(graph.ints_attribute(node, "axis", {9}) == Shape{9});
}

TEST_CASE("nodes that nobody reads go, with those that only they read") {
    Chain chain;
    remove_dead_nodes(chain.graph);
    CHECK(node_names(chain.graph) == std::vector<std::string>{"a", "b"});
    chain.graph.outputs = {chain.first};
    remove_dead_nodes(chain.graph);
    CHECK(node_names(chain.graph) == std::vector<std::string>{"a"});
    chain.graph.outputs = {chain.x};
    remove_dead_nodes(chain.graph);
    CHECK(chain.graph.nodes.empty());
}

TEST_CASE("a node stays while any of its outputs is read") {
    Chain chain;
    chain.graph.nodes[0].outputs = {no_value, chain.unread, chain.first};
    chain.graph.nodes.pop_back();
    remove_dead_nodes(chain.graph);
    CHECK(node_names(chain.graph) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("shapes count and print their extents") {
    CHECK(element_count({}) == 1);
    CHECK(element_count({2, 3, 4}) == 24);
    CHECK(element_count({5, 0}) == 0);
    CHECK(to_string(Shape{}) == "[]");
    CHECK(to_string(Shape{1, 3, 32, 32}) == "[1, 3, 32, 32]");
    CHECK(to_string(Shape(8, 2)) == "[2, 2, 2, 2, 2, 2, 2, 2]");
    CHECK(to_string(Shape(1 << 20, 2)) == "[2, 2, 2, 2, 2, 2, 2, 2, ...]");
}

TEST_CASE("a shape from a file has few extents, none negative, and no product that overflows") {
    constexpr std::int64_t huge = std::int64_t(1) << 62, most = std::int64_t(1) << 31;
    const auto fault = [](const Shape& shape) {
        const char* found = shape_fault(shape);
        CHECK(checked_element_count(shape).has_value() == (found == nullptr));
        return std::string(found ? found : "");
    };
    CHECK(fault({}) == "");
    CHECK(fault({1, 3, 224, 224}) == "");
    CHECK(fault({0, 3}) == "");
    CHECK(fault({most, 1, 0}) == "");
    CHECK(fault(Shape(8, 1)) == "");
    CHECK(fault(Shape(9, 1)) == "more than 8 extents");
    CHECK(fault({3, -1}) == "a negative extent");
    CHECK(fault({0, -1}) == "a negative extent");
    CHECK(fault({most + 1}) == "more than 2147483648 elements");
    CHECK(fault({65536, 65536}) == "more than 2147483648 elements");
    // There is no element, and yet strides are products of the other extents.
    CHECK(fault({0, huge, huge}) == "more than 2147483648 elements");
    CHECK(fault({huge, huge, 0}) == "more than 2147483648 elements");
    CHECK(checked_element_count({2, 3, 4}) == 24);
    CHECK(checked_element_count({5, 0}) == 0);
}

TEST_CASE("operators are called by ONNX's names") {
    CHECK(std::string(to_string(Op::add)) == "Add");
    CHECK(std::string(to_string(Op::mat_mul)) == "MatMul");
    CHECK(std::string(to_string(Op::where)) == "Where");
    CHECK(std::string(to_string(Op::fused_conv)) == "FusedConv");
}

TEST_CASE("a clamp of infinities is none") {
    CHECK(Clamp{}.is_none());
    CHECK(!Clamp{0, std::numeric_limits<float>::infinity()}.is_none());
    CHECK(!Clamp{-std::numeric_limits<float>::infinity(), 6}.is_none());
}

TEST_CASE("two clamps in a row are one, whatever their bounds") {
    const float infinity = std::numeric_limits<float>::infinity();
    const float bounds[] = {-infinity, -2, 0, 1, 3, infinity};
    const auto clamps = [&] {
        std::vector<Clamp> all;
        for (const float low : bounds) {
            for (const float high : bounds) {
                all.push_back({low, high});
            }
        }
        return all;
    }();
    int wrong = 0;
    for (const Clamp& first : clamps) {
        for (const Clamp& second : clamps) {
            for (const float v : {-infinity, -3.F, -1.F, 0.5F, 2.F, 9.F, infinity}) {
                wrong += compose(first, second).apply(v) != second.apply(first.apply(v));
            }
            wrong += !std::isnan(compose(first, second).apply(std::nanf("")));
        }
    }
    CHECK(wrong == 0);
    CHECK(Clamp{2, -1}.apply(0) == -1);  // ONNX: min(max(v, low), high)
}

TEST_CASE("a failure at a node names file, node, fault and remedy on one line") {
    Chain chain;
    const Status status = error_at(chain.graph, chain.graph.nodes[0], "is odd", "make it even");
    REQUIRE(!status.ok());
    CHECK(status.message() == "model.onnx: a (Relu): is odd; make it even");
}
