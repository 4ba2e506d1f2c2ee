#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bindings/text.h"
#include "sluice/tensor.h"

namespace sluice::python {

/// An array that a run reads, by Python's buffer protocol. It keeps its memory alive.
class Input {
public:
    /// Of dense, aligned memory in row-major order of these elements; else is_filled() is false.
    Input(nb::handle object, DataType type);
    Input(Input&& other) noexcept;
    Input& operator=(Input&&) = delete;
    ~Input();

    bool is_filled() const { return is_filled_; }
    TensorView view() const;

private:
    Py_buffer buffer_ = {};
    bool is_filled_ = false;
    std::vector<std::int64_t> shape_;
    DataType type_;
};

/// A new NumPy array that a run writes. It owns its memory.
struct Output {
    nb::object array;
    void* data = nullptr;
    std::vector<std::int64_t> shape;
    MutableTensorView view() const;
    DataType type = DataType::float32;
};

/// The array behind `object`: the same memory where that is aligned and dense in row-major order,
/// else a copy that is. Takes what NumPy makes an array of. Raises sluice.Error, which names `file`
/// and the input, where the elements are of another type than the input's.
Input read_array(nb::handle object, const TensorInfo& info, const std::string& file);

/// Makes arrays. Holds numpy.empty, since to look it up takes as long as to call it.
class Maker {
public:
    Maker();
    /// An array for an output. `batch` is the extent of a symbolic batch.
    Output make(const TensorInfo& info, std::int64_t batch) const;
    /// float32 values, copied into a new array of this shape.
    nb::object copy_of(const float* values, const std::vector<std::int64_t>& shape) const;

private:
    Output empty(std::vector<std::int64_t> shape, DataType type) const;
    nb::object empty_, float32_, uint8_, int8_;
};

}  // namespace sluice::python
