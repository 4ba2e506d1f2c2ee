#pragma once

#include <filesystem>

#include "graph/graph.h"

namespace onnx {
class TensorProto;
}

namespace sluice {

/// Decodes a tensor: float, float16, bfloat16 and double to float32; int64, int32, bool and uint8
/// to int64. External data is read from the folder of `model_file`. NaN is an error, and so is
/// infinity, but for scalars (bounds of Clip and values of Pad may be infinite).
Result<Constant> decode_tensor(const onnx::TensorProto& tensor,
                               const std::filesystem::path& model_file);

}  // namespace sluice
