"""ONNX files without what a test of their graph can do without: weights, names and remarks."""

from __future__ import annotations

import onnx
from onnx import TensorProto

# Initialisers in these places are weights; tests/zoo/weights.py draws others in their stead.
WEIGHTS = {
    "BatchNormalization": range(1, 5),
    "Conv": range(1, 3),
    "ConvTranspose": range(1, 3),
    "Gemm": range(1, 3),
    "LayerNormalization": range(1, 3),
    "MatMul": range(0, 2),
    "PRelu": range(1, 2),
    "Transpose": range(0, 1),  # before a MatMul
}
SMALL = 16  # elements; constants such as the bins of a distribution


def rename_values(graph: onnx.GraphProto, kept: set[str]) -> None:
    """Numbers instead of the names of values that are neither inputs nor outputs."""
    numbers: dict[str, str] = {}

    def renamed(name: str) -> str:
        if not name or name in kept:
            return name
        return numbers.setdefault(name, f"v{len(numbers)}")

    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]


def find_weights(graph: onnx.GraphProto) -> set[str]:
    return {node.input[i] for node in graph.node for i in WEIGHTS.get(node.op_type, ())
            if i < len(node.input)}


def strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """A weight keeps its shape and loses its data."""
    graph = model.graph
    kept = {value.name for value in (*graph.input, *graph.output)}
    for tensor in graph.initializer:
        tensor.doc_string = ""
        tensor.ClearField("metadata_props")
    weights = find_weights(graph)
    for tensor in graph.initializer:
        size = 1
        for extent in tensor.dims:
            size *= extent
        if tensor.name in weights and tensor.data_type == TensorProto.FLOAT and size > SMALL:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
    for node in graph.node:
        node.name = node.doc_string = node.overload = ""
        node.ClearField("metadata_props")
    rename_values(graph, kept)
    del graph.value_info[:], model.metadata_props[:], graph.metadata_props[:]
    graph.name, graph.doc_string, model.doc_string = "graph", "", ""
    return model
