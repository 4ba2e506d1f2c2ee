#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sluice {

/// One extent of a named shape; `size` is -1 where any batch is accepted.
struct Dimension {
    std::string name;
    std::int64_t size = 0;
};

/// An input or output of a model: float32, dense, row-major in ONNX order (NCHW for images).
struct TensorInfo {
    std::string name;
    std::vector<Dimension> shape;
};

/// The caller's memory, float32, dense, row-major in ONNX order. Not owned.
struct TensorView {
    const float* data = nullptr;
    std::span<const std::int64_t> shape;
};
struct MutableTensorView {
    float* data = nullptr;
    std::span<const std::int64_t> shape;
};

}  // namespace sluice
