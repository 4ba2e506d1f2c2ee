#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "onnx/reader.h"

/// Initialisers whose raw data are large, which the reader takes past protobuf.
namespace {

using namespace sluice;
using onnx::TensorProto;

constexpr std::int64_t count = 40000;

onnx::ModelProto empty_model() {
    onnx::ModelProto model;
    model.set_ir_version(8);
    model.add_opset_import()->set_version(17);
    auto& graph = *model.mutable_graph();
    auto& input = *graph.add_input();
    input.set_name("x");
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(TensorProto::FLOAT);
    for (const std::int64_t extent : {std::int64_t{1}, count}) {
        type.mutable_shape()->add_dim()->set_dim_value(extent);
    }
    auto& node = *graph.add_node();
    node.set_op_type("Add");
    node.add_input("x");
    node.add_input("w");
    node.add_output("y");
    graph.add_output()->set_name("y");
    return model;
}

template <typename Stored>
std::string raw(const std::vector<Stored>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Stored)};
}

TensorProto& add_weights(onnx::ModelProto& model, int type, std::int64_t extent,
                         const std::string& bytes) {
    TensorProto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name("w");
    tensor.set_data_type(type);
    tensor.add_dims(extent);
    tensor.set_raw_data(bytes);
    return tensor;
}

Result<Graph> parse(const std::string& bytes) {
    return parse_onnx(std::as_bytes(std::span(bytes)), "m.onnx");
}

/// "w" of a model that has to be read.
Constant weights_of(const std::string& bytes) {
    const Result<Graph> graph = parse(bytes);
    INFO(graph.status().message());
    REQUIRE(graph.ok());
    for (const Value& value : graph->values) {
        if (value.name == "w") {
            REQUIRE(value.constant != nullptr);
            return *value.constant;
        }
    }
    FAIL("w is missing");
    return {};
}

std::vector<float> drawn() {
    std::mt19937 rng(20261129);
    std::uniform_real_distribution<float> draw(-1, 1);
    std::vector<float> values(count);
    std::generate(values.begin(), values.end(), [&] { return draw(rng); });
    return values;
}

}  // namespace

TEST_CASE("large raw data of every type are the values that were written") {
    const std::vector<float> values = drawn();
    onnx::ModelProto model = empty_model();
    add_weights(model, TensorProto::FLOAT, count, raw(values));
    CHECK(weights_of(model.SerializeAsString()).floats() == Floats(values));

    model = empty_model();
    add_weights(model, TensorProto::DOUBLE, count,
                raw(std::vector<double>(values.begin(), values.end())));
    CHECK(weights_of(model.SerializeAsString()).floats() == Floats(values));

    // 1 + i / 1024 as float16 has i for its fraction.
    std::vector<std::uint16_t> halves(count);
    std::vector<float> wholes(count);
    for (std::size_t i = 0; i < halves.size(); ++i) {
        halves[i] = std::uint16_t(0x3c00 + i % 1024);
        wholes[i] = 1 + float(i % 1024) / 1024;
    }
    model = empty_model();
    add_weights(model, TensorProto::FLOAT16, count, raw(halves));
    CHECK(weights_of(model.SerializeAsString()).floats() == Floats(wholes));

    std::vector<std::int64_t> numbers(count);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] = std::int64_t(i) << 33;
    }
    model = empty_model();
    add_weights(model, TensorProto::INT64, count, raw(numbers));
    CHECK(weights_of(model.SerializeAsString()).ints() == numbers);
}

TEST_CASE("fields may come in any order and more than once: the last raw data count") {
    const std::vector<float> values = drawn();
    onnx::ModelProto model = empty_model();
    TensorProto tensor = add_weights(model, TensorProto::FLOAT, count, raw(values));
    model.mutable_graph()->clear_initializer();
    const auto with = [&](const std::string& first, const std::string& last) {
        // A message is its fields one after another, so bytes may be joined.
        TensorProto one, other;
        one.set_raw_data(first);
        other.set_raw_data(last);
        TensorProto rest = tensor;
        rest.clear_raw_data();
        const std::string joined =
            one.SerializeAsString() + other.SerializeAsString() + rest.SerializeAsString();
        // Field 7 of a model is a graph, field 5 of a graph an initialiser, both with a length.
        const auto field = [](int number, const std::string& inside) {
            std::string text(1, char(number << 3 | 2));
            std::size_t length = inside.size();
            for (; length >= 128; length >>= 7) {
                text += char((length & 127) | 128);
            }
            return text + char(length) + inside;
        };
        return model.SerializeAsString() + field(7, field(5, joined));
    };
    const std::string large = raw(values), small = raw(std::vector<float>(3, 7.0f));
    CHECK(weights_of(with(small, large)).floats() == Floats(values));
    CHECK(weights_of(with(std::string(8000, 'x'), large)).floats() == Floats(values));
    const Result<Graph> cut = parse(with(large, small));
    REQUIRE_FALSE(cut.ok());
    CHECK(cut.status().message().find("'w' holds 12 bytes, which does not fit its shape [40000]") !=
          std::string::npos);
}

TEST_CASE("large raw data of another length than the shape's are refused with both") {
    for (const std::size_t bytes : {std::size_t{count} * 4 - 1, std::size_t{count} * 4 + 4}) {
        onnx::ModelProto model = empty_model();
        add_weights(model, TensorProto::FLOAT, count, std::string(bytes, 'x'));
        const Result<Graph> graph = parse(model.SerializeAsString());
        REQUIRE_FALSE(graph.ok());
        CHECK(graph.status().message().find("initialiser 'w' holds " + std::to_string(bytes) +
                                            " bytes, which does not fit its shape [40000]") !=
              std::string::npos);
    }
}

TEST_CASE("a file that ends within large raw data is cut off") {
    onnx::ModelProto model = empty_model();
    add_weights(model, TensorProto::FLOAT, count, raw(drawn()));
    const std::string whole = model.SerializeAsString();
    REQUIRE(parse(whole).ok());
    // The raw data fill nearly all of it.
    for (std::size_t size = 300; size + 300 < whole.size(); size += 997) {
        const Result<Graph> graph = parse(whole.substr(0, size));
        REQUIRE_FALSE(graph.ok());
        CHECK(graph.status().message().find("is no ONNX file, or is cut off") != std::string::npos);
    }
}

TEST_CASE("a length beyond the file's end takes no memory") {
    onnx::ModelProto model = empty_model();
    add_weights(model, TensorProto::FLOAT, count, std::string(5000, 'x'));
    std::string bytes = model.SerializeAsString();
    const std::size_t at = bytes.find(std::string("\x4a\x88\x27xxx"));  // field 9, 5000 bytes
    REQUIRE(at != std::string::npos);
    for (const char* length :
         {"\x4a\xff\x7f", "\x4a\xff\xff\xff\xff\x07", "\x4a\xff\xff\xff\xff\x0f"}) {
        std::string broken = bytes;
        broken.replace(at, 3, length);
        const Result<Graph> graph = parse(broken);
        REQUIRE_FALSE(graph.ok());
        CHECK(graph.status().message().find("is no ONNX file, or is cut off") != std::string::npos);
    }
}
