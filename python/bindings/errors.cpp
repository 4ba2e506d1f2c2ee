#include "bindings/errors.h"

#include "bindings/text.h"

namespace sluice::python {

void raise(const Status& status) {
    const Problem& problem = status.problem();
    const nb::object type = nb::module_::import_("sluice._errors").attr("Error");
    const nb::object error =
        type(to_python(status.message()), to_python(problem.file), to_python(problem.node),
             to_python(problem.what), to_python(problem.remedy));
    PyErr_SetObject(type.ptr(), error.ptr());
    throw nb::python_error();
}

}  // namespace sluice::python
