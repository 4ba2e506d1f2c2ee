"""An ONNX file as the passes of runtime/passes see it: static shapes, constants, live nodes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

# Larger constants are weights, of which the shape alone matters.
LARGEST_VALUE = 4096


class ModelError(Exception):
    """What is wrong with a model, in a line that names the file and the remedy."""


def read(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as fault:
        raise ModelError(f"{path}: cannot be read: {fault.strerror}; name an ONNX file") from fault
    except DecodeError as fault:
        raise ModelError(f"{path}: is no ONNX file; export the network to ONNX") from fault
    if not model.graph.node:
        raise ModelError(f"{path}: is no ONNX file, or one without nodes; export the network to ONNX")
    return model


def fix_batch(path: Path, graph: onnx.GraphProto) -> None:
    """A symbolic batch becomes 1, as for the runtime, which has no other symbolic extents."""
    weights = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if value.name in weights or dim.WhichOneof("value") == "dim_value":
                continue
            if axis > 0:
                raise ModelError(f"{path}: its input '{value.name}' has no fixed size; "
                                 "export the network with the size of its images")
            dim.dim_value = 1


def lift_weights(graph: onnx.GraphProto) -> None:
    """Weights become inputs of their shape, so that shape inference need not copy them."""
    given = {value.name for value in graph.input}
    kept = []
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= LARGEST_VALUE and not tensor.external_data:
            kept.append(tensor)
        elif tensor.name not in given:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    del graph.initializer[:]
    graph.initializer.extend(kept)


def known_shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    shapes = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim):
            shapes[value.name] = [d.dim_value for d in tensor.shape.dim]
    return shapes


def evaluate(node: onnx.NodeProto, opsets: list[onnx.OperatorSetIdProto],
             inputs: dict[str, np.ndarray]) -> np.ndarray | None:
    """What a node with one output makes of constants; None where onnx cannot tell."""
    graph = helper.make_graph(
        [node], "node", [helper.make_value_info(name, onnx.TypeProto()) for name in inputs],
        [helper.make_value_info(node.output[0], onnx.TypeProto())])
    try:
        session = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))
        return np.asarray(session.run(None, inputs)[0])
    except Exception:  # an operator that it lacks, or a fault that the runtime will report
        return None


class Constants:
    """Small constants of a graph, and what its nodes make of them: arithmetic of shapes."""

    def __init__(self, path: Path, model: onnx.ModelProto) -> None:
        self.values = {}
        for tensor in model.graph.initializer:
            try:
                self.values[tensor.name] = numpy_helper.to_array(tensor)
            except (TypeError, ValueError) as fault:
                raise ModelError(f"{path}: its constant '{tensor.name}' cannot be read ({fault}); "
                                 "check it with onnx.checker") from fault
        self._opsets = list(model.opset_import)

    def fold(self, graph: onnx.GraphProto) -> bool:
        """Turns nodes into constants of the graph; whether there were any."""
        shapes = known_shapes(graph)
        kept = []
        for node in graph.node:
            shape = shapes.get(node.output[0])
            is_small = shape is not None and math.prod(shape) <= LARGEST_VALUE
            value = self._value_of(node, shapes) if is_small else None
            if value is None:
                kept.append(node)
            else:
                self.values[node.output[0]] = value
                graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
        folds = len(kept) < len(graph.node)
        del graph.node[:]
        graph.node.extend(kept)
        return folds

    def _value_of(self, node: onnx.NodeProto, shapes: dict[str, list[int]]) -> np.ndarray | None:
        if node.op_type == "Shape" and node.input[0] in shapes:
            rank = len(shapes[node.input[0]])
            return np.array(shapes[node.input[0]][attribute(node, "start", 0):
                                                  attribute(node, "end", rank)], np.int64)
        inputs = [name for name in node.input if name]
        is_constant = bool(inputs) or node.op_type == "Constant"
        if len(node.output) == 1 and is_constant and all(name in self.values for name in inputs):
            return evaluate(node, self._opsets, {name: self.values[name] for name in inputs})
        return None


def infer(path: Path, model: onnx.ModelProto) -> onnx.GraphProto:
    try:
        return shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as fault:  # onnx has no class of its own for all of them
        raise ModelError(f"{path}: its shapes cannot be inferred ({fault}); "
                         "check it with onnx.checker") from fault


def is_no_op(node: onnx.NodeProto, kinds: dict[str, int]) -> bool:
    if node.op_type == "Cast":
        return {kinds.get(node.input[0]), kinds.get(node.output[0])} == {TensorProto.FLOAT}
    return node.op_type == "Identity"


class Model:
    """Nodes that matter for the outputs, in order, without those that do nothing."""

    def __init__(self, path: Path) -> None:
        model = read(path)
        fix_batch(path, model.graph)
        weights = {tensor.name for tensor in model.graph.initializer}
        self.inputs = {value.name for value in model.graph.input} - weights
        self.outputs = [value.name for value in model.graph.output]
        lift_weights(model.graph)
        constants = Constants(path, model)
        inferred = infer(path, model)
        while constants.fold(inferred):
            model.graph.CopyFrom(inferred)
            inferred = infer(path, model)
        self._values = constants.values
        self._shapes = known_shapes(inferred)
        self._shapes.update({name: list(v.shape) for name, v in self._values.items()})
        self.constants = weights | set(self._values)
        kinds = {value.name: value.type.tensor_type.elem_type
                 for value in [*inferred.input, *inferred.value_info, *inferred.output]}
        self.nodes = self._live(self._without_no_ops(inferred.node, kinds))
        self._link()

    def shape(self, name: str) -> list[int] | None:
        """None where it is not known."""
        return self._shapes.get(name)

    def value(self, name: str) -> np.ndarray | None:
        """Of a small constant; None where it is none."""
        return self._values.get(name)

    def producer(self, name: str) -> onnx.NodeProto | None:
        """None of inputs and constants."""
        return self._producers.get(name)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """A node that reads it twice stands there twice."""
        return self._readers.get(name, [])

    def is_read_once(self, name: str) -> bool:
        return len(self.readers(name)) == 1 and name not in self.outputs

    def _without_no_ops(self, nodes: list[onnx.NodeProto],
                        kinds: dict[str, int]) -> list[onnx.NodeProto]:
        """And without those that compute large constants, which the runtime folds."""
        same: dict[str, str] = {}
        kept = []
        for node in nodes:
            inputs = [same.get(name, name) for name in node.input]
            node.input[:] = inputs
            if inputs and all(name in self.constants for name in inputs if name):
                self.constants.update(node.output)
            elif is_no_op(node, kinds) and node.output[0] not in self.outputs:
                same[node.output[0]] = inputs[0]
            else:
                kept.append(node)
        return kept

    def _live(self, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        needed = set(self.outputs)
        live = []
        for node in reversed(nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                live.append(node)
        return live[::-1]

    def _link(self) -> None:
        self._producers = {name: node for node in self.nodes for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)


def attribute(node: onnx.NodeProto, name: str, fallback):
    for item in node.attribute:
        if item.name == name:
            value = helper.get_attribute_value(item)
            return value.decode() if isinstance(value, bytes) else value
    return fallback
