#pragma once

#include <string>

#include <nanobind/nanobind.h>

namespace sluice::python {

namespace nb = nanobind;

/// What a file holds as text may be any bytes: those that are no UTF-8 become U+FFFD.
inline nb::str to_python(const std::string& text) {
    PyObject* const decoded = PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "replace");
    if (decoded == nullptr) {
        throw nb::python_error();
    }
    return nb::steal<nb::str>(decoded);
}

}  // namespace sluice::python
