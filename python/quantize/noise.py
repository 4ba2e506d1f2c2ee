"""Signal to quantisation noise of each layer: alone, on exact inputs, and with all before it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from boundaries import Boundaries
from evaluate import Runner
from graph import Graph
from insert import dequantised


@dataclass(frozen=True)
class Noise:
    """Of a tensor, in decibels: what its own layer adds, and what has come together."""

    tensor: str
    alone: float
    together: float


def exact(name: str) -> str:
    return f"{name}.exact"


def apart(quantised: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """`quantised` with an input for each of `names`, so that every layer reads what the float32
    network gives it, rounded, and none what another layer makes of it."""
    result = onnx.ModelProto()
    result.CopyFrom(quantised)
    graph = result.graph
    nodes = []
    for node in quantised.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] in names:
            name, *numbers = node.input
            rounded = f"{exact(name)}.rounded"
            nodes += [
                helper.make_node("QuantizeLinear", [exact(name), *numbers], [rounded]),
                helper.make_node(
                    "DequantizeLinear", [rounded, *numbers], [dequantised(exact(name))]
                ),
            ]
    instead = {dequantised(name): dequantised(exact(name)) for name in names}
    for node in graph.node:
        node.input[:] = [instead.get(name, name) for name in node.input]
    nodes += [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input.extend(
        helper.make_tensor_value_info(exact(name), TensorProto.FLOAT, None) for name in names
    )
    return result


class Ratio:
    """Of the sums of squares of a signal and of its error."""

    def __init__(self) -> None:
        self._signal = self._error = 0.0

    def add(self, exact_values: np.ndarray, values: np.ndarray) -> None:
        self._signal += float(np.square(exact_values, dtype=np.float64).sum())
        self._error += float(np.square(values.astype(np.float64) - exact_values).sum())

    @property
    def decibels(self) -> float:
        """Infinite where there is no error."""
        if self._error == 0.0:
            return math.inf
        return 10 * math.log10(self._signal / self._error) if self._signal else -math.inf


def measure_noise(
    graph: Graph, quantised: onnx.ModelProto, boundaries: Boundaries, batches: Iterable[np.ndarray]
) -> list[Noise]:
    """Of every calibrated tensor and of the scores, in the order of the graph. `batches`: images
    [N, 3, H, W]."""
    names = boundaries.calibrated
    rounded = [dequantised(name) for name in names]
    before = Runner(graph.model, names)
    together, alone = Runner(quantised, rounded), Runner(apart(quantised, names), rounded)
    ratios = {name: (Ratio(), Ratio()) for name in [*names, before.scores]}
    for images in batches:
        wanted = before.run(images)
        found = together.run(images)
        by_layer = alone.run(images, {exact(name): wanted[name] for name in names})
        for name, (single, whole) in ratios.items():
            key = dequantised(name) if name in names else name
            single.add(wanted[name], by_layer[key])
            whole.add(wanted[name], found[key])
    return [
        Noise(name, single.decibels, whole.decibels) for name, (single, whole) in ratios.items()
    ]
