#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::onnx {
class TensorShapeProto;
}

namespace sluice {

/// Gives the symbolic height and width of a shape [N, C, H, W] their extents of `size`. Fails where
/// another extent than the batch, or these without a size, is symbolic, and where one name would
/// stand for two extents. `label` begins the message; `names`: what each stands for in all inputs.
Status fix_size(onnx::TensorShapeProto& shape, const std::optional<ImageSize>& size,
                const std::string& label, std::map<std::string, std::int64_t>& names);

}  // namespace sluice
