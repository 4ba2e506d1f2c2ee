#include "bindings/arrays.h"

#include <cstring>
#include <utility>

#include "bindings/errors.h"

namespace sluice::python {
namespace {

/// Whether a format of Python's module struct is of these elements, as they lie in memory here.
bool is_format(const char* format, DataType type) {
    if (format == nullptr) {
        return type == DataType::uint8;
    }
    const char* const wanted = type == DataType::uint8 ? "B" : type == DataType::int8 ? "b" : "f";
    return std::strcmp(format, wanted) == 0;
}

nb::object numpy(const char* name) { return nb::module_::import_("numpy").attr(name); }

bool is_aligned(const void* data, DataType type) {
    return reinterpret_cast<std::uintptr_t>(data) % std::uintptr_t(size_of(type)) == 0;
}

}  // namespace

Input::Input(nb::handle object, DataType type) : type_(type) {
    if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
        PyErr_Clear();
        return;
    }
    if (!is_format(buffer_.format, type) || !is_aligned(buffer_.buf, type)) {
        PyBuffer_Release(&buffer_);
        return;
    }
    is_filled_ = true;
    shape_.assign(buffer_.shape, buffer_.shape + buffer_.ndim);
}

Input::Input(Input&& other) noexcept
    : buffer_(other.buffer_),
      is_filled_(std::exchange(other.is_filled_, false)),
      shape_(std::move(other.shape_)),
      type_(other.type_) {}

Input::~Input() {
    if (is_filled_) {
        PyBuffer_Release(&buffer_);
    }
}

TensorView Input::view() const {
    TensorView view;
    view.data = buffer_.buf;
    view.shape = shape_;
    view.type = type_;
    return view;
}

MutableTensorView Output::view() const {
    MutableTensorView view;
    view.data = data;
    view.shape = shape;
    view.type = type;
    return view;
}

Input read_array(nb::handle object, const TensorInfo& info, const std::string& file) {
    if (Input input(object, info.type); input.is_filled()) {
        return input;
    }
    const nb::object array = numpy("asarray")(object);
    const std::string wanted = to_string(info.type);
    if (!array.attr("dtype").equal(numpy("dtype")(wanted))) {
        const auto found = nb::cast<std::string>(array.attr("dtype").attr("__str__")());
        raise(Status(Problem{file, info.name, "has elements of " + found + " and needs " + wanted,
                             "pass array.astype(numpy." + wanted + ")"}));
    }
    Input input(numpy("require")(array, nb::none(), "CA"), info.type);
    if (!input.is_filled()) {
        throw nb::type_error("an input is no array in this process's memory");
    }
    return input;
}

Maker::Maker()
    : empty_(numpy("empty")),
      float32_(numpy("dtype")("float32")),
      uint8_(numpy("dtype")("uint8")),
      int8_(numpy("dtype")("int8")) {}

Output Maker::empty(std::vector<std::int64_t> shape, DataType type) const {
    nb::list extents;
    for (const std::int64_t extent : shape) {
        extents.append(extent);
    }
    const nb::object& dtype = type == DataType::float32 ? float32_
                              : type == DataType::uint8 ? uint8_
                                                        : int8_;
    const nb::object array = empty_(nb::tuple(extents), dtype);
    Py_buffer memory;
    if (PyObject_GetBuffer(array.ptr(), &memory, PyBUF_WRITABLE) != 0) {
        throw nb::python_error();
    }
    Output output{array, memory.buf, std::move(shape), type};
    PyBuffer_Release(&memory);  // the array itself keeps the memory
    return output;
}

Output Maker::make(const TensorInfo& info, std::int64_t batch) const {
    std::vector<std::int64_t> shape;
    shape.reserve(info.shape.size());
    for (const Dimension& dimension : info.shape) {
        shape.push_back(dimension.size < 0 ? batch : dimension.size);
    }
    return empty(std::move(shape), info.type);
}

nb::object Maker::copy_of(const float* values, const std::vector<std::int64_t>& shape) const {
    const Output copy = empty(shape, DataType::float32);
    std::size_t count = 1;
    for (const std::int64_t extent : shape) {
        count *= std::size_t(extent);
    }
    std::memcpy(copy.data, values, count * sizeof(float));
    return copy.array;
}

}  // namespace sluice::python
