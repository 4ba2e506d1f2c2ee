#pragma once

#include <filesystem>

#include "graph/graph.h"

namespace sluice {

/// The graph of an ONNX file as a plan takes it: read, constants folded, optimised. An error names
/// the file and the node.
Result<Graph> load_graph(const std::filesystem::path& file);

}  // namespace sluice
