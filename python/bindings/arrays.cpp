#include "bindings/arrays.h"

#include <cstring>

#include "bindings/errors.h"

namespace sluice::python {
namespace {

nb::dlpack::dtype dtype_of(DataType type) {
    switch (type) {
        case DataType::uint8:
            return nb::dtype<std::uint8_t>();
        case DataType::int8:
            return nb::dtype<std::int8_t>();
        default:
            return nb::dtype<float>();
    }
}

nb::object numpy(const char* name) { return nb::module_::import_("numpy").attr(name); }

bool is_aligned(const void* data, DataType type) {
    return reinterpret_cast<std::uintptr_t>(data) % std::uintptr_t(size_of(type)) == 0;
}

using Dense = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

/// Whether `object` is dense memory of these elements, as a run takes it.
bool take(nb::handle object, DataType type, Input& input) {
    Dense dense;
    if (!nb::try_cast(object, dense, false) || dense.dtype() != dtype_of(type) ||
        !is_aligned(dense.data(), type)) {
        return false;
    }
    input.shape.resize(dense.ndim());
    for (std::size_t axis = 0; axis < dense.ndim(); ++axis) {
        input.shape[axis] = std::int64_t(dense.shape(axis));
    }
    input.array = nb::ndarray<nb::ro, nb::device::cpu>(dense);
    input.type = type;
    return true;
}

}  // namespace

TensorView Input::view() const {
    TensorView view;
    view.data = array.data();
    view.shape = shape;
    view.type = type;
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
    Input input;
    if (take(object, info.type, input)) {
        return input;
    }
    const nb::object array = numpy("asarray")(object);
    const std::string wanted = to_string(info.type);
    if (!array.attr("dtype").equal(numpy("dtype")(wanted))) {
        const auto found = nb::cast<std::string>(array.attr("dtype").attr("__str__")());
        raise(Status(Problem{file, info.name, "has elements of " + found + " and needs " + wanted,
                             "pass array.astype(numpy." + wanted + ")"}));
    }
    const nb::object dense = numpy("require")(array, nb::none(), "CA");
    if (!take(dense, info.type, input)) {
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
