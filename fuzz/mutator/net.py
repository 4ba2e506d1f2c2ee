"""A graph under construction that knows the shape of every value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IR_VERSION = 8


@dataclass(frozen=True)
class Value:
    """A tensor of the graph by name; `shape` has the batch first, as it is in a run."""

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[1]

    @property
    def size(self) -> tuple[int, ...]:
        return self.shape[2:]

    @property
    def is_map(self) -> bool:
        return len(self.shape) == 4


class Net:
    """Adds nodes; `macs` are the multiply-accumulates that it may still spend, for all images."""

    def __init__(
        self, random: np.random.Generator, macs: int, opset: int, batch: int, symbolic: bool
    ) -> None:
        self.random, self.macs, self.opset = random, macs, opset
        self.batch, self.symbolic = batch, symbolic
        self.inputs: list[Value] = []
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def input(self, *shape: int) -> Value:
        value = Value(f"x{len(self.inputs)}", (self.batch, *shape))
        self.inputs.append(value)
        return value

    def pick(self, *choices):
        return choices[int(self.random.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def constant(self, values) -> Value:
        array = np.asarray(values)
        value = Value(f"w{len(self._weights)}", array.shape)
        self._weights.append(numpy_helper.from_array(array, value.name))
        return value

    def floats(self, *shape: int, low: float = -1.0, high: float = 1.0) -> Value:
        return self.constant(self.random.uniform(low, high, shape).astype(np.float32))

    def ints(self, *numbers: int) -> Value:
        return self.constant(np.array(numbers, np.int64))

    def op(
        self, kind: str, inputs: list[Value | None], shape: tuple[int, ...], **attributes
    ) -> Value:
        """A node with one output of `shape`; None among the inputs is one that is left out."""
        return self.ops(kind, inputs, [shape], **attributes)[0]

    def ops(
        self, kind: str, inputs: list[Value | None], shapes: list[tuple[int, ...]], **attributes
    ) -> list[Value]:
        """A node with an output of each shape."""
        place = len(self._nodes)
        values = [
            Value(f"v{place}" + (f"_{i}" if i else ""), tuple(int(extent) for extent in shape))
            for i, shape in enumerate(shapes)
        ]
        names = [each.name if each else "" for each in inputs]
        outputs = [value.name for value in values]
        self._nodes.append(helper.make_node(kind, names, outputs, f"n{place}", **attributes))
        return values

    def finish(self, outputs: list[Value]) -> onnx.ModelProto:
        """The model; with a symbolic batch its outputs have no shape, as exporters leave it."""

        def info(value: Value) -> onnx.ValueInfoProto:
            shape = ["N" if self.symbolic else self.batch, *value.shape[1:]]
            return helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self._nodes,
            "fuzz",
            [info(value) for value in self.inputs],
            [
                helper.make_tensor_value_info(value.name, TensorProto.FLOAT, None)
                for value in outputs
            ],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = IR_VERSION
        return model
