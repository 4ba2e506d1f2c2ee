"""QuantizeLinear, DequantizeLinear and int8 weights put into float graphs, and edits of those."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from draw import pick, set_nodes
from tensors import array_of

LAYERS = ("Conv", "Gemm", "MatMul")
SCALES = (0, -0.0, -0.1, 1e-42, 1e-38, 1e-30, 1e30, 3e38, np.inf, np.nan, 1.0)
NUMBERS = (-128, -127, -1, 0, 1, 127, 128, 255)


class _Quantiser:
    def __init__(self, random: np.random.Generator, model: onnx.ModelProto) -> None:
        self.random, self.graph = random, model.graph
        self.kind = pick(random, (np.uint8, np.int8))
        self.is_everywhere = random.random() < 0.5
        self.constants = {t.name: array_of(t) for t in model.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []

    def constant(self, array) -> str:
        name = f"q{len(self.graph.initializer)}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def rounded(self, x: str) -> str:
        """x by numbers of a scale that suits values of about one."""
        low = -128 if self.kind == np.int8 else 0
        zero = low + int(pick(self.random, (0, 100, 128, 128, 255)))
        numbers = [
            self.constant(np.float32(self.random.uniform(0.005, 0.05))),
            self.constant(np.array(zero, self.kind)),
        ]
        q, y = f"{x}_q{len(self.nodes)}", f"{x}_d{len(self.nodes)}"
        self.nodes.append(helper.make_node("QuantizeLinear", [x, *numbers], [q], q))
        self.nodes.append(helper.make_node("DequantizeLinear", [q, *numbers], [y], y))
        return y

    def weights(self, w: str, axis: int) -> str:
        array = self.constants[w]
        others = tuple(a for a in range(array.ndim) if a != axis)
        scale = np.maximum(np.abs(array).max(others, initial=0), 1e-3) / np.float32(127)
        wide = scale.reshape([-1 if a == axis else 1 for a in range(array.ndim)])
        numbers = np.round(array / wide).clip(-127, 127).astype(np.int8)
        numbers[self.random.random(numbers.shape) < 0.02] = -128
        inputs = [self.constant(numbers), self.constant(scale.astype(np.float32))]
        name = f"{w}_d{len(self.nodes)}"
        self.nodes.append(
            helper.make_node("DequantizeLinear", inputs, [name], name, axis=axis)
        )
        return name

    def run(self) -> list[onnx.NodeProto]:
        shown = {value.name for value in self.graph.output}
        renamed: dict[str, str] = {}
        for node in list(self.graph.node):
            for i, name in enumerate(node.input):
                node.input[i] = renamed.get(name, name)
            if node.op_type in LAYERS and self.has_weights(node):
                transposed = any(a.name == "transB" and a.i for a in node.attribute)
                node.input[0] = self.rounded(node.input[0])
                is_first = node.op_type == "Conv" or transposed
                node.input[1] = self.weights(node.input[1], 0 if is_first else 1)
            self.nodes.append(node)
            y = node.output[0]
            if self.is_everywhere and y not in shown and self.random.random() < 0.8:
                renamed[y] = self.rounded(y)
        return self.nodes

    def has_weights(self, node: onnx.NodeProto) -> bool:
        array = self.constants.get(node.input[1])
        return array is not None and array.ndim >= 2 and array.dtype == np.float32


def quantise(random: np.random.Generator, model: onnx.ModelProto) -> None:
    """Changes a valid float graph in place."""
    set_nodes(model, _Quantiser(random, model).run())


def _some_constant(random, model, place: int):
    """Input `place` of a QuantizeLinear or DequantizeLinear."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    found = [
        tensors[node.input[place]]
        for node in model.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        and len(node.input) > place
        and node.input[place] in tensors
    ]
    return pick(random, found) if found else None


def _set_one(random, tensor, choices) -> None:
    array = None if tensor is None else array_of(tensor)
    if array is not None and array.size:
        with np.errstate(all="ignore"):
            array.flat[int(random.integers(array.size))] = np.array(
                pick(random, choices)
            ).astype(array.dtype)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def scale(random, model):
    _set_one(random, _some_constant(random, model, 1), SCALES)


def zero_point(random, model):
    tensor = _some_constant(random, model, 2)
    if tensor is not None and random.random() < 0.2:  # of another type, or out of its range
        kind = pick(random, (np.int8, np.uint8, np.int16, np.int32))
        array = np.array(pick(random, NUMBERS)).astype(kind)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return
    _set_one(random, tensor, NUMBERS)


def numbers(random, model):
    """Of weights: one, or all of them at the end of the range."""
    tensor = _some_constant(random, model, 0)
    array = None if tensor is None else array_of(tensor)
    if array is not None and array.dtype == np.int8 and random.random() < 0.5:
        array[...] = pick(random, (-128, 127))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return
    _set_one(random, tensor, NUMBERS)


QUANTISED_EDITS = (scale, zero_point, numbers, numbers)
