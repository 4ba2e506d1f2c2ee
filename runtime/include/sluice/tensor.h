#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sluice {

/// Of an input's or output's elements.
enum class DataType {
    float32,
    uint8,
    int8,
};

/// "float32".
const char* to_string(DataType type);
/// Bytes of an element.
int size_of(DataType type);

/// Of an image, in pixels.
struct ImageSize {
    std::int64_t height = 0;
    std::int64_t width = 0;
};

/// One extent of a named shape; `size` is -1 where any batch is accepted.
struct Dimension {
    std::string name;
    std::int64_t size = 0;
};

/// An input or output of a model: dense, row-major in ONNX order (NCHW for images).
struct TensorInfo {
    std::string name;
    std::vector<Dimension> shape;
    DataType type = DataType::float32;
};

/// The caller's memory, dense, row-major in ONNX order. Not owned.
struct TensorView {
    TensorView() = default;
    TensorView(const float* data_, std::span<const std::int64_t> shape_)
        : data(data_), shape(shape_) {}
    TensorView(const std::uint8_t* data_, std::span<const std::int64_t> shape_)
        : data(data_), shape(shape_), type(DataType::uint8) {}
    TensorView(const std::int8_t* data_, std::span<const std::int64_t> shape_)
        : data(data_), shape(shape_), type(DataType::int8) {}

    const void* data = nullptr;
    std::span<const std::int64_t> shape;
    DataType type = DataType::float32;
};
struct MutableTensorView {
    MutableTensorView() = default;
    MutableTensorView(float* data_, std::span<const std::int64_t> shape_)
        : data(data_), shape(shape_) {}
    MutableTensorView(std::uint8_t* data_, std::span<const std::int64_t> shape_)
        : data(data_), shape(shape_), type(DataType::uint8) {}
    MutableTensorView(std::int8_t* data_, std::span<const std::int64_t> shape_)
        : data(data_), shape(shape_), type(DataType::int8) {}

    void* data = nullptr;
    std::span<const std::int64_t> shape;
    DataType type = DataType::float32;
};

}  // namespace sluice
