"""An ONNX graph with its links: who writes a tensor, who reads it, and what is constant."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


def attribute(node: onnx.NodeProto, name: str, fallback):
    for item in node.attribute:
        if item.name == name:
            value = helper.get_attribute_value(item)
            return value.decode() if isinstance(value, bytes) else value
    return fallback


def channel_axis(node: onnx.NodeProto) -> int:
    """The axis of a layer's weights that counts its outputs."""
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return 0 if node.op_type == "Conv" else 1


class Graph:
    """A view of `model.graph`; `index` again after nodes or initializers were changed."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.index()

    def index(self) -> None:
        graph = self.model.graph
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._producers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self.outputs = [value.name for value in graph.output]
        self.inputs = [v.name for v in graph.input if v.name not in self._initializers]
        self._places = {node.output[0]: place for place, node in enumerate(graph.node)}

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        return list(self.model.graph.node)

    def place(self, node: onnx.NodeProto) -> int:
        return self._places[node.output[0]]

    def producer(self, name: str) -> onnx.NodeProto | None:
        """None of graph inputs and initializers."""
        return self._producers.get(name)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """A node that reads it twice stands there twice."""
        return self._readers.get(name, [])

    def is_read_once(self, name: str) -> bool:
        return len(self.readers(name)) == 1 and name not in self.outputs

    def is_constant(self, name: str) -> bool:
        return name in self._initializers

    def constant(self, name: str) -> np.ndarray | None:
        tensor = self._initializers.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def add(self, name: str, value: np.ndarray) -> None:
        """An initializer that nothing reads yet."""
        tensor = numpy_helper.from_array(np.asarray(value), name)
        self.model.graph.initializer.append(tensor)
        self._initializers[name] = self.model.graph.initializer[-1]

    def replace(self, node: onnx.NodeProto, position: int, value: np.ndarray) -> None:
        """Another value for a constant input of `node`; other readers keep theirs."""
        name = node.input[position]
        if len(self.readers(name)) == 1:
            self._initializers[name].CopyFrom(numpy_helper.from_array(value, name))
        else:
            node.input[position] = f"{name}.{node.output[0]}"
            self.add(node.input[position], value)

    def activations(self, node: onnx.NodeProto) -> list[str]:
        """The inputs that depend on the image."""
        return [name for name in node.input if name and not self.is_constant(name)]

    def has_weights(self, node: onnx.NodeProto) -> bool:
        """A layer that int8 kernels can compute: constant weights, and a bias per output."""
        if node.op_type not in ("Conv", "Gemm", "MatMul") or self.is_constant(node.input[0]):
            return False
        weights, *biases = [self.constant(name) for name in node.input[1:] if name]
        if weights is None or (node.op_type == "MatMul" and weights.ndim != 2):
            return False
        outputs = weights.shape[channel_axis(node)]
        return all(bias is not None and bias.size in (1, outputs) for bias in biases)

    def drop_unused(self) -> None:
        """Removes initializers that nothing reads, and orders the others by their readers."""
        order = dict.fromkeys(
            x for node in self.nodes for x in node.input if x in self._initializers
        )
        tensors = [self._initializers[name] for name in order]
        copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in tensors]
        del self.model.graph.initializer[:]
        self.model.graph.initializer.extend(copies)
        self.index()
