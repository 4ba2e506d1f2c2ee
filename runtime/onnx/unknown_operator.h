#pragma once

#include "sluice/status.h"

namespace sluice::onnx {
class ModelProto;
class NodeProto;
}  // namespace sluice::onnx

namespace sluice {

/// Why Sluice does not read a node of the model, and what to do instead.
Status unknown_operator(const onnx::ModelProto& model, const onnx::NodeProto& proto);

}  // namespace sluice
