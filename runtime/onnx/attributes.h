#pragma once

#include "graph/graph.h"
#include "onnx/tensor_decoder.h"

namespace sluice::onnx {
class NodeProto;
}

namespace sluice {

/// The attributes of a node, whose tensors are freed; graphs, sparse tensors and lists of strings
/// are errors.
Result<AttributeMap> read_attributes(onnx::NodeProto& node, TensorDecoder& decoder);

}  // namespace sluice
