#pragma once

#include <filesystem>
#include <optional>

#include "graph/graph.h"
#include "sluice/tensor.h"

namespace sluice {

/// The graph of an ONNX file as a plan takes it: read, constants folded, optimised. `size` as for
/// read_onnx, `int8` as for optimise. An error names the file and the node.
Result<Graph> load_graph(const std::filesystem::path& file,
                         const std::optional<ImageSize>& size = std::nullopt, bool int8 = true);

}  // namespace sluice
