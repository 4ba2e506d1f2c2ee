#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>

#include "graph/graph.h"
#include "sluice/tensor.h"

namespace sluice {

/// Reads an ONNX model of opset 7 to 24. Every failure names file, node and remedy. Shapes are
/// known for inputs and initialisers only: fold_constants infers the others. `size`: of inputs
/// [N, C, H, W] that leave theirs symbolic.
Result<Graph> read_onnx(const std::filesystem::path& file,
                        const std::optional<ImageSize>& size = std::nullopt);

/// The same from memory; `file` names the model in messages and anchors external data.
Result<Graph> parse_onnx(std::span<const std::byte> bytes, const std::filesystem::path& file);

}  // namespace sluice
