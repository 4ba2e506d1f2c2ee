"""The test cases of the onnx package that are about float32, uint8 and int8, in the forms that Sluice
is given."""

import collections
import json
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper

OPSETS = (7, 24)  # what Sluice reads
ACTIVATIONS = {TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8}
# Shapes, axes, indices and conditions.
PARAMETERS = {TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL}
# Cases whose outputs cannot be compared with; ONNX Runtime's are taken.
ANSWERED_BY_ONNX_RUNTIME = {
    # Written by hand, to four decimals.
    "test_averagepool_2d_ceil_last_window_starts_on_pad",
    # Take the resized length to be 4 * 0.6 or 4 * 0.8, where ONNX Runtime takes its integer part.
    "test_resize_downsample_scales_linear_align_corners",
    "test_resize_downsample_scales_cubic_align_corners",
}


def collect():
    """All cases of the kinds node and simple: those of kind real have no files any more."""
    np.random.seed(0)
    with warnings.catch_warnings():  # some cases overflow on purpose
        warnings.simplefilter("ignore")
        from onnx.backend.test.case import model, node
        cases = [*node.collect_testcases(), *model.collect_testcases()]
    return sorted((c for c in cases if c.model is not None), key=lambda case: case.name)


def element_types(values):
    return [v.type.tensor_type.elem_type for v in values]


def about_activations(graph):
    inputs, outputs = element_types(graph.input), element_types(graph.output)
    return set(inputs) <= PARAMETERS | ACTIVATIONS and outputs[0] in ACTIVATIONS


def at_opset(model):
    """The model at the nearest opset that Sluice reads; None where that has no such node."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for opset in result.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = min(max(opset.version, OPSETS[0]), OPSETS[1])
    try:
        onnx.checker.check_model(result)
    except onnx.checker.ValidationError:
        return None
    return result


def with_one_input(model, inputs, kept):
    """The model with all inputs but one as initialisers, as exporters write weights, and with its
    outputs that are activations alone."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for i, (value, array) in enumerate(zip(model.graph.input, inputs)):
        if i != kept:
            result.graph.initializer.append(numpy_helper.from_array(np.asarray(array), value.name))
    del result.graph.input[:], result.graph.output[:]
    result.graph.input.append(model.graph.input[kept])
    result.graph.output.extend(o for o in model.graph.output
                               if o.type.tensor_type.elem_type in ACTIVATIONS)
    return result


def with_symbolic_batch(model):
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    for output in result.graph.output:
        output.type.tensor_type.ClearField("shape")
    return result


def answer(model, inputs):
    """ONNX Runtime's outputs."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           ["CPUExecutionProvider"])
    return session.run(None, {v.name: a for v, a in zip(model.graph.input, inputs)})


def forms(case, model):
    """(form, model, inputs, outputs) of a case. The forms: as it is given; with one activation as its
    input, which has a batch, and all others constant; the same with that batch symbolic."""
    inputs, outputs = case.data_sets[0]
    if case.name in ANSWERED_BY_ONNX_RUNTIME:
        outputs = answer(model, inputs)
    yield "given", model, inputs, outputs
    activations = [array for array, kind in zip(outputs, element_types(model.graph.output))
                   if kind in ACTIVATIONS]
    for i, kind in enumerate(element_types(model.graph.input)):
        if kind not in ACTIVATIONS or np.ndim(inputs[i]) < 2:
            continue
        one = with_one_input(model, inputs, i)
        name = f"of {model.graph.input[i].name}"
        if len(inputs) > 1 or len(activations) < len(outputs):
            yield name, one, [inputs[i]], activations
        yield name + ", any batch", with_symbolic_batch(one), [inputs[i]], activations


def as_files_have_it(array):
    """Bytes as floats, which is how they are read and compared."""
    return array.astype(np.float32) if array.dtype in (np.uint8, np.int8) else array


def write(folder, operators):
    """Writes models, tensors and cases.json, and returns how many cases there are of each kind."""
    counts, entries = collections.Counter(), []
    for case in collect():
        graph = case.model.graph
        if not all(n.op_type in operators and n.domain in ("", "ai.onnx") for n in graph.node):
            counts["of other operators"] += 1
            continue
        if not about_activations(graph):
            counts["of other element types"] += 1
            continue
        model = at_opset(case.model)
        if model is None:
            counts["of other opsets"] += 1
            continue
        counts["taken"] += 1
        for form, variant, inputs, outputs in forms(case, model):
            name = f"{case.name} {form}"
            stem = f"case{len(entries)}"
            entry = {"name": name, "model": stem + ".onnx", "inputs": [], "outputs": []}
            onnx.save(variant, folder / entry["model"])
            for kind, arrays in (("inputs", inputs), ("outputs", outputs)):
                for i, array in enumerate(arrays):
                    entry[kind].append(f"{stem}.{kind}{i}.npy")
                    np.save(folder / entry[kind][-1], as_files_have_it(np.asarray(array)))
            entries.append(entry)
    (folder / "cases.json").write_text(json.dumps(entries))
    return counts
