#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "reference/interpreter.h"

/// The quantised networks that make_quantised.py writes to SLUICE_QUANTISED_CASES.
namespace sluice::quantised_files {

inline const std::filesystem::path folder = SLUICE_QUANTISED_CASES;

struct File {
    std::string name;
    reference::Tensor x;
    std::vector<float> y;        ///< as ONNX Runtime gives it without its optimiser
    std::string x_type, y_type;  ///< "float32", "uint8" or "int8"
};

inline std::vector<File> files() {
    std::ifstream stream(folder / "cases.json");
    std::vector<File> files;
    for (const auto& entry : nlohmann::json::parse(stream)) {
        files.push_back({entry["name"],
                         {entry["x_shape"].get<Shape>(), entry["x"].get<std::vector<float>>()},
                         entry["y"].get<std::vector<float>>(),
                         entry["x_type"],
                         entry["y_type"]});
    }
    REQUIRE(!files.empty());
    return files;
}

inline const Value& value(const Graph& graph, ValueId id) { return graph.values[std::size_t(id)]; }

/// What a graph gives, as the file counts.
inline std::vector<float> answer(const Graph& graph, reference::Tensor x) {
    for (float& number : x.data) {
        number += value(graph, graph.inputs[0]).is_int8_outside ? 128 : 0;
    }
    const auto outputs = reference::interpret(graph, {x});
    INFO(outputs.status().message());
    REQUIRE(outputs.ok());
    std::vector<float> y = outputs.value()[0].data;
    for (float& number : y) {
        number -= value(graph, graph.outputs[0]).is_int8_outside ? 128 : 0;
    }
    return y;
}

/// The step between two numbers of the output; 0 where nothing rounds it.
inline float step_of(const Graph& graph) {
    if (!value(graph, graph.outputs[0]).is_float()) {
        return 1;
    }
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        if (node->op == Op::dequantize_linear) {
            return node->quantization->scale;
        }
        if (node->fused_conv) {
            const auto& rounding = node->fused_conv->output_rounding;
            return rounding ? rounding->scale : 0;
        }
    }
    return 0;
}

}  // namespace sluice::quantised_files
