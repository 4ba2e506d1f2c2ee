// sluice._core: the C++ API as the modules of python/sluice need it.

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "bindings/bound_classifier.h"
#include "bindings/bound_model.h"

NB_MODULE(_core, module) {
    using sluice::python::BoundClassifier;
    using sluice::python::BoundModel;
    namespace nb = nanobind;
    module.doc() = "The runtime of Sluice. Use the package sluice, which documents it.";
    module.attr("version") = SLUICE_VERSION;

    using Tensors = nb::typed<nb::list, nb::typed<nb::tuple, nb::str, nb::tuple, nb::str>>;
    nb::class_<BoundModel>(module, "Model", "A network and the memory to run it.")
        .def(nb::init<const std::filesystem::path&, const std::string&, int,
                      std::optional<BoundModel::Size>, bool, bool, bool>(),
             nb::arg("path"), nb::arg("target"), nb::arg("threads"), nb::arg("size").none(),
             nb::arg("int8"), nb::arg("winograd"), nb::arg("record_gates"))
        .def(nb::init<const BoundModel&, int>(), nb::arg("other"), nb::arg("threads"))
        .def("run", &BoundModel::run, nb::arg("arrays"))
        .def("inputs", [](const BoundModel& model) -> Tensors { return Tensors(model.inputs()); })
        .def("outputs", [](const BoundModel& model) -> Tensors { return Tensors(model.outputs()); })
        .def("metadata", &BoundModel::metadata)
        .def("gates", &BoundModel::gates)
        .def("explain", &BoundModel::explain)
        .def("steps", &BoundModel::steps)
        .def_prop_ro("target", &BoundModel::target)
        .def_prop_ro("threads", &BoundModel::threads)
        .def_prop_ro("macs", &BoundModel::macs)
        .def_prop_ro("lccl_macs", &BoundModel::lccl_macs)
        .def_prop_ro("macs_executed", &BoundModel::macs_executed);

    nb::class_<BoundClassifier>(module, "Classifier", "Images and classes, as classify has them.")
        .def(nb::init<const BoundModel&, const BoundClassifier::Metadata&>(), nb::arg("model"),
             nb::arg("metadata"))
        .def("labels",
             [](const BoundClassifier& self) -> nb::typed<nb::list, nb::str> {
                 return nb::typed<nb::list, nb::str>(self.labels());
             })
        .def("input_of_file", &BoundClassifier::input_of_file, nb::arg("contents"))
        .def("input_of_pixels", &BoundClassifier::input_of_pixels, nb::arg("pixels").noconvert())
        .def_static("best", &BoundClassifier::best, nb::arg("scores").noconvert());
}
