"""ONNX's backend interface, onnx.backend.base.Backend. Needs the package onnx.

    import sluice.backend
    outputs = sluice.backend.run_model(onnx.load("model.onnx"), [image])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx.version_converter
from onnx.backend.base import Backend as OnnxBackend
from onnx.backend.base import BackendRep

from ._errors import Error, failure
from ._inference_session import InferenceSession
from ._model import Model

NEWEST_OPSET = 24


class PreparedModel(BackendRep):
    """A model that runs repeatedly, one run at a time."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def run(self, inputs: Any, **kwargs: Any) -> tuple[np.ndarray, ...]:
        """The outputs, for an array for each input in order, for a dict of them, or for one array."""
        if isinstance(inputs, dict):
            return tuple(self.model.run(inputs).values())
        arrays = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        outputs = self.model(*arrays)
        return outputs if isinstance(outputs, tuple) else (outputs,)


class Backend(OnnxBackend):
    """Runs models on the CPU. What Sluice does not compute raises sluice.Error in prepare()."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether prepare() takes the model."""
        try:
            cls.prepare(model, device, **kwargs)
        except Error:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        """Reads and plans a model. Other arguments are those of sluice.Model.

        A model of a newer opset than Sluice reads is converted by onnx.version_converter first.
        """
        if not cls.supports_device(device):
            raise failure(f"has no device {device!r}", "pass 'CPU'")
        contents = _at_an_opset_that_is_read(model).SerializeToString()
        prepared = InferenceSession(contents, **kwargs).model
        _check_output_types(model, prepared)
        return PreparedModel(prepared)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU",
                 outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None,
                 **kwargs: Any) -> tuple[np.ndarray, ...]:
        """The outputs of one node. outputs_info: their element types and shapes; without it they are
        float32. opset_version: the operators' version; by default the newest that Sluice reads."""
        opset = kwargs.pop("opset_version", NEWEST_OPSET)
        arrays = [np.asarray(array) for array in inputs]
        made = _model_of_node(node, arrays, outputs_info, opset)
        return cls.prepare(made, device, **kwargs).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether it is the CPU, "CPU" or "CPU:0"."""
        return device in ("CPU", "CPU:0")


def _at_an_opset_that_is_read(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model at NEWEST_OPSET where it is of a newer one. Unchanged where it says what that cannot:
    the refusal then names its opset."""
    if all(opset.domain or opset.version <= NEWEST_OPSET for opset in model.opset_import):
        return model
    try:
        return onnx.version_converter.convert_version(model, NEWEST_OPSET)
    except RuntimeError:
        return model


def _check_output_types(model: onnx.ModelProto, prepared: Model) -> None:
    """Raises Error where the file states other element types than the outputs have."""
    for stated, given in zip(model.graph.output, prepared.outputs):
        kind = stated.type.tensor_type.elem_type
        if kind and onnx.helper.tensor_dtype_to_np_dtype(kind) != given.dtype:
            name = onnx.TensorProto.DataType.Name(kind)
            raise failure(f"is {name} in the file, and {given.dtype} here",
                          f"export it as {given.dtype}", node=given.name)


def _model_of_node(node: onnx.NodeProto, arrays: list[np.ndarray],
                   outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None,
                   opset: int) -> onnx.ModelProto:
    """A graph of this node alone, whose inputs have the types and shapes of the arrays."""
    helper = onnx.helper
    names = [name for name in node.input if name]
    inputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype),
                                            array.shape)
              for name, array in zip(names, arrays)]
    infos = outputs_info or [(np.dtype(np.float32), None)] * len(node.output)
    outputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)),
                                             shape)
               for name, (dtype, shape) in zip(node.output, infos) if name]
    graph = helper.make_graph([node], "node", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
