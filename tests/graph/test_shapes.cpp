#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "graph/shapes.h"

namespace {

using namespace sluice;
using nlohmann::json;

json read_cases() {
    std::ifstream stream(SLUICE_GRAPH_CASES);
    REQUIRE(stream);
    return json::parse(stream);
}

Op op_named(const std::string& name) {
    for (int op = 0; op < int(Op::activation); ++op) {
        if (name == to_string(Op(op))) {
            return Op(op);
        }
    }
    FAIL("no operator is called " << name);
    return Op::identity;
}

std::shared_ptr<const Constant> constant_of(const json& data) {
    auto constant = std::make_shared<Constant>();
    constant->shape = data["shape"].get<Shape>();
    if (data.contains("bytes")) {
        const auto bytes = data["bytes"].get<std::vector<std::int8_t>>();
        if (data["type"] == "int8") {
            constant->data = bytes;
        } else {
            constant->data = std::vector<std::uint8_t>(bytes.begin(), bytes.end());
        }
    } else if (data.contains("ints")) {
        constant->data = data["ints"].get<std::vector<std::int64_t>>();
    } else {
        constant->data = data["floats"].get<std::vector<float>>();
    }
    return constant;
}

Attribute attribute_of(const json& value) {
    if (value.is_object()) {
        return constant_of(value);
    }
    if (value.is_string()) {
        return value.get<std::string>();
    }
    if (value.is_number_integer()) {
        return value.get<std::int64_t>();
    }
    if (value.is_number_float()) {
        return value.get<float>();
    }
    if (!value.empty() && value[0].is_number_float()) {
        return value.get<std::vector<float>>();
    }
    return value.get<std::vector<std::int64_t>>();
}

ElementType type_named(const std::string& kind) {
    return kind == "float"   ? ElementType::float32
           : kind == "uint8" ? ElementType::uint8
           : kind == "int8"  ? ElementType::int8
                             : ElementType::int64;
}

const char* to_string(ElementType type) {
    const char* const names[] = {"none", "float32", "int64", "uint8", "int8"};
    return names[int(type)];
}

/// A graph of one node called "the node" in "the file".
struct OneNode {
    Graph graph;

    OneNode(Op op, const json& inputs, const json& attributes) {
        graph.file = "the file";
        graph.opset = 21;
        Node node;
        node.op = op;
        node.name = "the node";
        for (const json& data : inputs) {
            node.inputs.push_back(data.is_null() ? no_value : add_input(data));
        }
        for (const auto& [name, value] : attributes.items()) {
            node.attributes[name] = attribute_of(value);
        }
        Value output;
        output.name = "output";
        node.outputs = {graph.add_value(output)};
        graph.outputs = node.outputs;
        graph.nodes.push_back(node);
    }

    ValueId add_input(const json& data) {
        Value value;
        value.name = "input";
        value.shape = data["shape"].get<Shape>();
        value.shape_known = true;
        value.constant = data.contains("kind") ? nullptr : constant_of(data);
        value.type = value.constant ? value.constant->type() : type_named(data["kind"]);
        return graph.add_value(value);
    }

    Status infer() { return infer_shape(graph, graph.nodes[0]); }
    const Value& output() const { return graph.values[std::size_t(graph.outputs[0])]; }
};

/// One line that names file, node and remedy, and a shape that stays unknown.
void check_refused(OneNode& one, const std::string& what) {
    const Status status = one.infer();
    REQUIRE(!status.ok());
    CHECK(status.problem().file == "the file");
    CHECK(status.problem().node == one.graph.nodes[0].label());
    CHECK(status.problem().what.find(what) != std::string::npos);
    CHECK(!status.problem().remedy.empty());
    CHECK(status.message().find('\n') == std::string::npos);
    CHECK(!one.output().shape_known);
}

const json image = {{"shape", {1, 4, 9, 7}}, {"kind", "float"}};
const json matrix = {{"shape", {4, 9}}, {"kind", "float"}};
const json numbers = {{"shape", {2}}, {"kind", "int"}};

json constant_ints_of(std::vector<std::int64_t> values) {
    const std::size_t count = values.size();
    return {{"shape", {count}}, {"ints", std::move(values)}};
}

}  // namespace

TEST_CASE("shapes are those that ONNX Runtime computes") {
    std::map<Op, int> seen;
    for (const json& entry : read_cases()) {
        if (!entry.contains("shape")) {
            continue;
        }
        CAPTURE(entry.dump());
        OneNode one(op_named(entry["op"]), entry["inputs"], entry["attributes"]);
        const Status status = one.infer();
        CAPTURE(status.message());
        REQUIRE(status.ok());
        CHECK(one.output().shape_known);
        CHECK(one.output().shape == entry["shape"].get<Shape>());
        CHECK(to_string(one.output().type) == entry["type"].get<std::string>());
        ++seen[one.graph.nodes[0].op];
    }
    // All of ONNX's operators but Swish, which ONNX Runtime has not, and none of the passes' own.
    CHECK(seen.size() == std::size_t(Op::activation) - 1);
}

TEST_CASE("a node that ONNX Runtime refuses is an error that names it") {
    int refused = 0;
    for (const json& entry : read_cases()) {
        if (entry.contains("shape")) {
            continue;
        }
        CAPTURE(entry.dump());
        OneNode one(op_named(entry["op"]), entry["inputs"], entry["attributes"]);
        check_refused(one, "");
        ++refused;
    }
    CHECK(refused > 0);
}

TEST_CASE("a node that Sluice alone refuses is an error that says why") {
    const struct {
        Op op;
        json inputs, attributes;
        const char* what;
    } cases[] = {
        {Op::max_pool, json::array({image}), {{"kernel_shape", {10, 3}}}, "larger than its input"},
        {Op::max_pool,
         json::array({image}),
         {{"kernel_shape", {3, 3}}, {"auto_pad", "SAME"}},
         "auto_pad 'SAME'"},
        {Op::max_pool,
         json::array({image}),
         {{"kernel_shape", {3, 3}}, {"strides", {7, 7}}, {"auto_pad", "SAME_LOWER"}},
         "crops [1, 4, 9, 7] by strides [7, 7]"},
        {Op::average_pool, json::array({matrix}), {{"kernel_shape", {3}}}, "needs [N, C, H, W]"},
        {Op::batch_normalization,
         {image, image, image, image, image},
         {{"training_mode", 1}},
         "training mode"},
        {Op::resize,
         {image, nullptr, nullptr, constant_ints_of({1, 4, 3, 3})},
         {{"mode", "bicubic"}},
         "mode 'bicubic'"},
        {Op::resize,
         {image, nullptr, nullptr, constant_ints_of({1, 4, 0, 3})},
         json::object(),
         "to nothing"},
        {Op::resize, json::array({image}), json::object(), "neither constant scales nor sizes"},
        {Op::expand, {image, numbers}, json::object(), "that the model computes from its input"},
        {Op::reshape, {image, numbers}, json::object(), "that the model computes from its input"},
        {Op::pad, {image, numbers}, json::object(), "that the model computes from its input"},
        {Op::slice,
         {image, numbers, numbers},
         json::object(),
         "that the model computes from its input"},
        {Op::reduce_mean,
         {image, numbers},
         json::object(),
         "that the model computes from its input"},
        {Op::constant_of_shape, json::array({numbers}), json::object(),
         "has extents that the model computes"},
        {Op::constant, json::array(), json::object(), "no number or tensor"},
        {Op::constant_of_shape, json::array({constant_ints_of({65536, 65536})}), json::object(),
         "would give the shape [65536, 65536]"},
        {Op::constant_of_shape, json::array({constant_ints_of({-1})}), json::object(),
         "would give the shape [-1]"},
        {Op::pad,
         {image, constant_ints_of({0, -5, 0, 0, 0, 0, 0, 0})},
         json::object(),
         "would give the shape [1, -1, 9, 7], a negative extent"},
        {Op::expand,
         {{{"shape", {1, 1, 1}}, {"kind", "float"}},
          constant_ints_of({0, std::int64_t(1) << 62, std::int64_t(1) << 62})},
         json::object(),
         "more than 2147483648 elements"},
        {Op::unsqueeze,
         {image, constant_ints_of({0, 1, 2, 3, 4})},
         json::object(),
         "would give the shape [1, 1, 1, 1, 1, 1, 4, 9, ...], more than 8 extents"},
        {Op::unsqueeze,
         {image, constant_ints_of(std::vector<std::int64_t>(1 << 20, 1))},
         json::object(),
         "takes 1048576 integers as its input 1, more than 16"},
        {Op::reshape,
         {image, constant_ints_of(std::vector<std::int64_t>(1 << 20, 1))},
         json::object(),
         "takes 1048576 integers as its input 1, more than 16"},
        {Op::average_pool,
         json::array({image}),
         {{"kernel_shape", {3, 3}}, {"pads", {1, 1, -1, 1}}},
         "has pads [1, 1, -1, 1], not 4 numbers from 0"},
        {Op::max_pool,
         json::array({image}),
         {{"kernel_shape", {3, 3}}, {"strides", {1, 0}}},
         "has strides [1, 0], not 2 numbers from 1"},
        {Op::resize,
         {image, nullptr, nullptr, constant_ints_of({1, 4, 3, 3})},
         {{"keep_aspect_ratio_policy", "not_larger"}},
         "policy 'not_larger'"},
        {Op::concat, {image, matrix}, {{"axis", 1}}, "[1, 4, 9, 7], [4, 9]"},
        {Op::concat, {image, image}, {{"axis", 4}}, "has axis 4, which [1, 4, 9, 7] has not"},
        {Op::gather, {image, constant_ints_of({0})}, {{"axis", -5}}, "has axis -5"},
        {Op::reduce_mean, {image, constant_ints_of({1, -3})}, json::object(), "has axis -3"},
        {Op::squeeze, {image, constant_ints_of({1})}, json::object(), "drops axis 1 of"},
        {Op::transpose, json::array({image}), {{"perm", {0, 1, 3, 3}}}, "has perm [0, 1, 3, 3]"},
        {Op::reshape,
         {image, {{"shape", {1}}, {"floats", {252.0}}}},
         json::object(),
         "has target extents of floats"},
        {Op::range,
         {{{"shape", json::array()}, {"floats", {0.0}}},
          {{"shape", json::array()}, {"floats", {9.0}}},
          {{"shape", json::array()}, {"floats", {0.0}}}},
         json::object(),
         "counts in steps of 0"},
        {Op::resize,
         {image,
          nullptr,
          {{"shape", {4}}, {"floats", {1.0, 1.0, 2.0, 2.0}}},
          constant_ints_of({1, 4, 18, 14})},
         json::object(),
         "has both scales and sizes"},
        {Op::resize,
         {image,
          nullptr,
          {{"shape", {3}}, {"floats", {1.0, 1.0, 1e-30}}},
          constant_ints_of({1, 4, 18, 14})},
         json::object(),
         "has both scales and sizes"},
    };
    for (const auto& c : cases) {
        CAPTURE(to_string(c.op), c.what);
        OneNode one(c.op, c.inputs, c.attributes);
        check_refused(one, c.what);
    }
}

TEST_CASE("an input of unknown shape, or none, is an error that names the node") {
    OneNode unknown(Op::add, {image, image}, json::object());
    unknown.graph.values[std::size_t(unknown.graph.nodes[0].inputs[1])].shape_known = false;
    check_refused(unknown, "has no input 1 of known shape");
    OneNode left_out(Op::conv, {image, nullptr}, json::object());
    check_refused(left_out, "has no input 1 of known shape");
    OneNode short_of(Op::gemm, json::array({image}), json::object());
    check_refused(short_of, "has no input 1 of known shape");
    OneNode gap(Op::concat, {image, nullptr, image}, {{"axis", 1}});
    check_refused(gap, "has no input 1 of known shape");
}

TEST_CASE("nodes that passes write keep the shape that their pass gave") {
    OneNode one(Op::fused_conv, {image, nullptr, nullptr}, json::object());
    CHECK(one.infer().ok());
    CHECK(!one.output().shape_known);
}

TEST_CASE("shapes broadcast from their last extent") {
    CHECK(broadcast_shapes({2, 3, 4}, {3, 1}) == Shape{2, 3, 4});
    CHECK(broadcast_shapes({4, 1}, {1, 5}) == Shape{4, 5});
    CHECK(broadcast_shapes({}, {2}) == Shape{2});
    CHECK(broadcast_shapes({1}, {0}) == Shape{0});
    CHECK(!broadcast_shapes({2, 3}, {2}));
    CHECK(!broadcast_shapes({0}, {2}));
}

TEST_CASE("an axis counts from either end and no further") {
    CHECK(normalize_axis(0, 3) == 0);
    CHECK(normalize_axis(2, 3) == 2);
    CHECK(normalize_axis(-1, 3) == 2);
    CHECK(normalize_axis(-3, 3) == 0);
    CHECK(!normalize_axis(3, 3));
    CHECK(!normalize_axis(-4, 3));
    CHECK(!normalize_axis(0, 0));
}

TEST_CASE("a slice says where it starts, steps and ends on each axis") {
    OneNode one(Op::slice,
                {image, constant_ints_of({-1, 1}), constant_ints_of({-100, 100}),
                 constant_ints_of({2, 3}), constant_ints_of({-2, 3})},
                json::object());
    const auto ranges = slice_ranges(one.graph, one.graph.nodes[0]);
    REQUIRE(ranges.ok());
    const std::vector<std::array<std::int64_t, 3>> expected = {
        {0, 1, 1}, {0, 1, 4}, {8, -2, 5}, {1, 3, 2}};
    for (std::size_t axis = 0; axis < expected.size(); ++axis) {
        const SliceRange& range = ranges.value()[axis];
        CHECK(std::array{range.start, range.step, range.count} == expected[axis]);
    }
}

TEST_CASE("pads and axes are given for all axes in order") {
    OneNode pad(Op::pad,
                {image, constant_ints_of({1, 2, 3, -4}), nullptr, constant_ints_of({-1, 1})},
                json::object());
    const auto extents = pad_extents(pad.graph, pad.graph.nodes[0]);
    REQUIRE(extents.ok());
    CHECK(extents.value() == std::vector<std::int64_t>{0, 2, 0, 1, 0, -4, 0, 3});
    OneNode mean(Op::reduce_mean, json::array({image}), {{"axes", {-1, 2}}});
    const auto axes = node_axes(mean.graph, mean.graph.nodes[0], 4);
    REQUIRE(axes.ok());
    CHECK(axes.value() == std::vector<std::size_t>{2, 3});
}
