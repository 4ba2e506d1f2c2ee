"""Writes Q and DQ into a graph: u8 activations, s8 weights per output channel, int32 biases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnxruntime.quantization.quant_utils import compute_scale_zp, quantize_nparray

from graph import Graph, attribute, channel_axis

# Biases stay within this: float32 tells no more apart, and sums of int32 have room. It is reached
# where the weights are next to nothing beside the bias.
LARGEST_BIAS = 2**24


@dataclass(frozen=True)
class Numbers:
    """q = round(x / scale) + zero_point, in u8."""

    scale: np.float32
    zero_point: int

    def rounded(self, x: np.ndarray) -> np.ndarray:
        """What DequantizeLinear gives after QuantizeLinear, float32 of the same shape."""
        q = np.clip(np.rint(x / self.scale) + self.zero_point, 0, 255)
        return ((q - self.zero_point) * self.scale).astype(np.float32)


def numbers_of_range(low: float, high: float) -> Numbers:
    """Of values from low to high; 0 is exact, and within the range."""
    zero_point, scale = compute_scale_zp(
        np.float32(low), np.float32(high), np.array(0, np.int64), np.array(255, np.int64)
    )
    return Numbers(np.float32(scale), int(zero_point))


def weight_scales(
    weights: np.ndarray, axis: int, bias: np.ndarray | None, step: float
) -> np.ndarray:
    """float32 [outputs]: the largest magnitude of each output's weights becomes 127, or less where
    the bias would not fit. `bias`: float64 [outputs]. `step`: the scale of the layer's input."""
    others = tuple(i for i in range(weights.ndim) if i != axis)
    scales = np.abs(weights).max(axis=others).astype(np.float64) / 127
    scales[scales < np.finfo(np.float32).tiny] = 0
    if bias is not None:
        scales = np.maximum(scales, np.abs(bias) / (step * LARGEST_BIAS))
    return np.where(scales == 0, 1, scales).astype(np.float32)


class Writer:
    """Copies a graph node by node, with Q and DQ."""

    def __init__(self, graph: Graph, numbers: dict[str, Numbers]) -> None:
        self._graph = graph
        self._numbers = numbers
        self._nodes: list[onnx.NodeProto] = []
        self._shared: dict[tuple[str, int, bytes], str] = {}  # weights and biases behind a DQ

    def write(self) -> onnx.ModelProto:
        result = onnx.ModelProto()
        result.CopyFrom(self._graph.model)
        self._result = Graph(result)
        for name in self._graph.inputs:
            self._round(name)
        for node in self._graph.nodes:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            if self._graph.has_weights(node) and node.input[0] in self._numbers:
                self._quantise_layer(copy)
            copy.input[:] = [dequantised(x) if x in self._numbers else x for x in copy.input]
            self._nodes.append(copy)
            for name in node.output:
                self._round(name)
        del result.graph.node[:]
        result.graph.node.extend(self._nodes)
        self._result.index()
        self._result.drop_unused()
        return result

    def _constant(self, name: str, value: np.ndarray) -> str:
        self._result.add(name, value)
        return name

    def _node(self, kind: str, name: str, inputs: list[str], output: str, **attributes) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], f"{name}_{kind}", **attributes))

    def _round(self, name: str) -> None:
        numbers = self._numbers.get(name)
        if numbers is None:
            return
        parameters = [
            self._constant(f"{name}_scale", np.array(numbers.scale, np.float32)),
            self._constant(f"{name}_zero_point", np.array(numbers.zero_point, np.uint8)),
        ]
        quantised = f"{name}_QuantizeLinear_Output"
        self._node("QuantizeLinear", name, [name, *parameters], quantised)
        self._node("DequantizeLinear", name, [quantised, *parameters], dequantised(name))

    def _quantise_layer(self, node: onnx.NodeProto) -> None:
        """Weights and bias of a layer whose input has numbers become integers behind a DQ."""
        axis = channel_axis(node)
        weights = self._graph.constant(node.input[1]).astype(np.float32)
        bias = None
        if len(node.input) > 2 and node.input[2]:
            bias = self._graph.constant(node.input[2]).astype(np.float64)
        if node.op_type == "Gemm":
            weights, bias = fold_factors(node, weights, bias)
        if bias is not None:
            bias = np.broadcast_to(bias.reshape(-1), weights.shape[axis])
        step = float(self._numbers[node.input[0]].scale)
        scales = weight_scales(weights, axis, bias, step)
        shape = [1] * weights.ndim
        shape[axis] = -1
        integers = quantize_nparray(TensorProto.INT8, weights, scales.reshape(shape), 0, -127, 127)
        node.input[1] = self._dequantise(node.input[1], integers, scales, axis)
        if bias is not None:
            bias_scales = (step * scales).astype(np.float32)
            integers = np.rint(bias / bias_scales).astype(np.int32)
            node.input[2] = self._dequantise(node.input[2], integers, bias_scales, 0)

    def _dequantise(self, name: str, integers: np.ndarray, scales: np.ndarray, axis: int) -> str:
        """Constants behind a DequantizeLinear; layers share it where they share the constants."""
        key = (name, axis, scales.tobytes())
        if key not in self._shared:
            copies = sum(other == name for other, *_ in self._shared)
            stem = f"{name}.{copies}" if copies else name
            inputs = [
                self._constant(f"{stem}_quantized", integers),
                self._constant(f"{stem}_scale", scales),
            ]
            if integers.dtype == np.int8:  # int32 has none
                zeros = np.zeros(scales.shape, np.int8)
                inputs.append(self._constant(f"{stem}_zero_point", zeros))
            self._node("DequantizeLinear", stem, inputs, dequantised(stem), axis=axis)
            self._shared[key] = dequantised(stem)
        return self._shared[key]


def fold_factors(
    node: onnx.NodeProto, weights: np.ndarray, bias: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """A Gemm's alpha and beta, so that it needs neither."""
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    kept = [item for item in node.attribute if item.name not in ("alpha", "beta")]
    del node.attribute[:]
    node.attribute.extend(kept)
    return (weights * np.float32(alpha)).astype(np.float32), None if bias is None else bias * beta


def dequantised(name: str) -> str:
    return f"{name}_DequantizeLinear_Output"


def insert(graph: Graph, numbers: dict[str, Numbers]) -> onnx.ModelProto:
    """`graph` with a Q and a DQ at each tensor of `numbers`, which all that read it go through, and
    with integer weights in the layers that read one."""
    return Writer(graph, numbers).write()
