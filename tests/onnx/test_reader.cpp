#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "onnx/reader.h"
#include "passes/fold_constants.h"

namespace {

using namespace sluice;

const std::filesystem::path folder = SLUICE_ONNX_CASES;

nlohmann::json cases_with(const char* key) {
    std::ifstream stream(folder / "cases.json");
    nlohmann::json found = nlohmann::json::array();
    for (const auto& entry : nlohmann::json::parse(stream)) {
        if (entry.contains(key)) {
            found.push_back(entry);
        }
    }
    REQUIRE(!found.empty());
    return found;
}

Result<Graph> load(const std::filesystem::path& file) {
    Result<Graph> graph = read_onnx(file);
    if (graph.ok()) {
        SLUICE_RETURN_IF_ERROR(fold_constants(graph.value()));
    }
    return graph;
}

std::vector<char> bytes_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// Reads and folds; what matters is that it returns.
bool survives(const std::vector<char>& bytes) {
    Result<Graph> graph = parse_onnx(std::as_bytes(std::span(bytes)), folder / "broken.onnx");
    Status status = graph.ok() ? fold_constants(graph.value()) : graph.status();
    return status.ok() || status.message().find("broken.onnx") != std::string::npos;
}

}  // namespace

TEST_CASE("shapes are those of the onnx package's inference") {
    for (const auto& entry : cases_with("shape")) {
        CAPTURE(entry.dump());
        Result<Graph> graph = load(folder / entry["file"].get<std::string>());
        CAPTURE(graph.status().message());
        REQUIRE(graph.ok());
        CHECK(graph->values[std::size_t(graph->outputs[0])].shape == entry["shape"].get<Shape>());
    }
}

TEST_CASE("folded values are those of the onnx package's evaluator") {
    for (const auto& entry : cases_with("values")) {
        CAPTURE(entry.dump());
        Result<Graph> graph = load(folder / entry["file"].get<std::string>());
        CAPTURE(graph.status().message());
        REQUIRE(graph.ok());
        REQUIRE(graph->nodes.size() == 1);
        const Constant* constant = graph->constant(graph->nodes[0].inputs[1]);
        REQUIRE(constant);
        const auto expected = entry["values"].get<std::vector<float>>();
        CHECK(constant->floats() == expected);
    }
}

TEST_CASE("what no output depends on is neither read nor judged") {
    for (const auto& entry : cases_with("pruned")) {
        CAPTURE(entry.dump());
        Result<Graph> graph = read_onnx(folder / entry["file"].get<std::string>());
        CAPTURE(graph.status().message());
        REQUIRE(graph.ok());
        CHECK(graph->nodes.size() == 1);
        CHECK(graph->values.size() == 2);
        CHECK(graph->inputs.size() == 1);
        CHECK(graph->stored_elements == 0);
        CHECK(graph->nodes[0].outputs.size() == 1);
        CHECK(fold_constants(graph.value()).ok());
    }
}

TEST_CASE("the elements of all constants that are read are counted") {
    // Weights [5, 4, 3, 2] and bias [5].
    Result<Graph> graph = read_onnx(folder / "conv.onnx");
    REQUIRE(graph.ok());
    CHECK(graph->stored_elements == 125);
    // An attribute [1] beside the shape [2].
    graph = read_onnx(folder / "value_fill.onnx");
    REQUIRE(graph.ok());
    CHECK(graph->stored_elements == 3);
}

TEST_CASE("bad models give one line that names the file and the fault") {
    for (const auto& entry : cases_with("error")) {
        CAPTURE(entry.dump());
        const std::string file = (folder / entry["file"].get<std::string>()).string();
        Result<Graph> graph = load(file);
        REQUIRE(!graph.ok());
        const std::string message = graph.status().message();
        CAPTURE(message);
        CHECK(message.rfind(file, 0) == 0);
        CHECK(message.find(entry["error"].get<std::string>()) != std::string::npos);
        CHECK(message.find('\n') == std::string::npos);
        CHECK(!graph.status().problem().remedy.empty());
    }
    CHECK(!read_onnx(folder / "absent.onnx").ok());
    CHECK(!read_onnx(folder).ok());
    CHECK(!parse_onnx({}, "empty.onnx").ok());
}

TEST_CASE("a size fixes the symbolic sides of images, and nothing else") {
    const auto shape_of_input = [](const char* file, ImageSize size) {
        Result<Graph> graph = read_onnx(folder / file, size);
        CAPTURE(graph.status().message());
        REQUIRE(graph.ok());
        return graph->values[std::size_t(graph->inputs[0])].shape;
    };
    CHECK(shape_of_input("symbolic.onnx", {11, 6}) == Shape{1, 3, 11, 6});
    CHECK(shape_of_input("symbolic_unnamed.onnx", {11, 6}) == Shape{1, 3, 11, 8});
    CHECK(shape_of_input("symbolic_square.onnx", {6, 6}) == Shape{1, 3, 6, 6});
    CHECK(shape_of_input("relu.onnx", {11, 6}) == Shape{1, 4, 9, 7});
    const auto refusal = [](const char* file, ImageSize size) {
        return read_onnx(folder / file, size).status().message();
    };
    CHECK(refusal("symbolic_square.onnx", {11, 6}).find("named 'S', and 11x6") !=
          std::string::npos);
    CHECK(refusal("symbolic_channels.onnx", {11, 6}).find("'C' (axis 1)") != std::string::npos);
    CHECK(refusal("symbolic_length.onnx", {11, 6}).find("'L' (axis 2)") != std::string::npos);
    for (const std::int64_t side : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40}) {
        CHECK(refusal("symbolic.onnx", {side, 6}).find("has the extent") != std::string::npos);
    }
}

TEST_CASE("truncated, flipped and random bytes give a Status") {
    const unsigned seed = 20240607;
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    const auto in_time = [&] { return std::chrono::steady_clock::now() < deadline; };
    const auto draw = [&](std::size_t below) { return std::size_t(random()) % below; };
    for (const char* name : {"conv.onnx", "value_slice.onnx", "resize_sizes.onnx", "gemm.onnx",
                             "value_gather.onnx", "pad_axes.onnx", "external_short.onnx"}) {
        CAPTURE(name);
        const std::vector<char> whole = bytes_of(folder / name);
        REQUIRE(!whole.empty());
        for (std::size_t size = 0; size < whole.size() && in_time(); ++size) {
            REQUIRE(survives({whole.begin(), whole.begin() + std::ptrdiff_t(size)}));
        }
        for (int trial = 0; trial < 2000 && in_time(); ++trial) {
            std::vector<char> flipped = whole;
            flipped[draw(flipped.size())] = char(random());
            REQUIRE(survives(flipped));
        }
    }
    for (int trial = 0; trial < 500; ++trial) {
        std::vector<char> noise(draw(300));
        for (char& byte : noise) {
            byte = char(random());
        }
        REQUIRE(survives(noise));
    }
}
