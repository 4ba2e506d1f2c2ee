#pragma once

#include <filesystem>

#include "graph/graph.h"

namespace onnx {
class NodeProto;
}

namespace sluice {

/// The attributes of a node; graphs, sparse tensors and lists of strings are errors.
Result<AttributeMap> read_attributes(const onnx::NodeProto& node,
                                     const std::filesystem::path& model_file);

}  // namespace sluice
