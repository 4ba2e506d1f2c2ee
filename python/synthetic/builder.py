"""A graph under construction that carries its activations along, for calibration."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
EPSILON = 1e-5


@dataclass(frozen=True)
class Value:
    """A tensor of the graph by name, and what it holds on the calibration images."""

    name: str
    data: np.ndarray

    @property
    def channels(self) -> int:
        return self.data.shape[1]


class Evaluator:
    """Runs one node at a time in ONNX Runtime, on one thread: results repeat bit for bit."""

    def __init__(self) -> None:
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def run(self, node: onnx.NodeProto, inputs: list[np.ndarray]) -> np.ndarray:
        anonymous = onnx.NodeProto()
        anonymous.CopyFrom(node)
        anonymous.name = ""
        # An optional input that is left out has no name, and none here either.
        given = {f"x{i}": inputs[i] for i, name in enumerate(node.input) if name}
        anonymous.input[:] = [f"x{i}" if name else "" for i, name in enumerate(node.input)]
        anonymous.output[:] = ["y"]
        types = {k: helper.np_dtype_to_tensor_dtype(array.dtype) for k, array in given.items()}
        key = anonymous.SerializeToString(deterministic=True).hex() + str(types)
        if key not in self._sessions:
            self._sessions[key] = self._open(anonymous, types)
        return self._sessions[key].run(None, given)[0]

    @staticmethod
    def _open(node: onnx.NodeProto, types: dict[str, int]) -> onnxruntime.InferenceSession:
        inputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in types.items()]
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph([node], "node", inputs, [output])
        return open_session(make_model(graph))


def make_model(graph: onnx.GraphProto) -> onnx.ModelProto:
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)


def open_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _window(weights: np.ndarray, stride: int) -> dict[str, list[int]]:
    size = weights.shape[2]
    return {"kernel_shape": [size, size], "pads": [size // 2] * 4, "strides": [stride, stride]}


class Builder:
    """Writes nodes and computes them at once on `images`, float32 [N, 3, H, W].

    Random weights depend on the seed and on their own name alone, so that a network and its gated
    twin share them. `macs` counts multiply-accumulates per image, by layer.
    """

    def __init__(self, images: np.ndarray, seed: int) -> None:
        self.input = Value("input", images)
        self.macs: dict[str, int] = {}
        self._seed = seed
        self._evaluator = Evaluator()
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, np.ndarray] = {}

    def random(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(name.encode())])

    def weight(self, name: str, array: np.ndarray) -> Value:
        self._weights[name] = array
        return Value(name, array)

    def node(self, kind: str, name: str, *inputs: Value, **attributes: object) -> Value:
        names = [value.name for value in inputs]
        node = helper.make_node(kind, names, [f"{name}/{kind}_output"], f"{name}/{kind}")
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self._nodes.append(node)
        data = self._evaluator.run(node, [value.data for value in inputs])
        return Value(node.output[0], data)

    def conv(self, x: Value, name: str, weights: np.ndarray, stride: int = 1) -> Value:
        """[N, C, H, W] by [K, C, k, k] with a border of k/2 zeros, without a bias."""
        kernel = self.weight(f"{name}.weight", weights)
        y = self.node("Conv", name, x, kernel, **_window(weights, stride))
        self.macs[name] = int(np.prod(y.data.shape[1:]) * np.prod(weights.shape[1:]))
        return y

    def try_conv(self, x: Value, weights: np.ndarray, stride: int = 1) -> np.ndarray:
        """What `conv` would give; the graph stays as it is."""
        node = helper.make_node("Conv", ["x", "w"], ["y"], **_window(weights, stride))
        return self._evaluator.run(node, [x.data, weights])

    def batch_norm(self, x: Value, name: str, scale: np.ndarray, bias: np.ndarray) -> Value:
        """Batch norm with the statistics that `x` has on the calibration images."""
        mean = x.data.mean(axis=(0, 2, 3), dtype=np.float64)
        variance = x.data.var(axis=(0, 2, 3), dtype=np.float64)
        parameters = {
            "weight": scale,
            "bias": bias,
            "running_mean": mean,
            # A channel whose gate was never active is constant: what it holds must stay small.
            "running_var": np.maximum(variance, EPSILON),
        }
        values = [
            self.weight(f"{name}.{key}", array.astype(np.float32))
            for key, array in parameters.items()
        ]
        return self.node("BatchNormalization", name, x, *values, epsilon=EPSILON)

    def linear(self, x: Value, name: str, classes: int) -> Value:
        random = self.random(name)
        weights = random.normal(0, x.channels**-0.5, (classes, x.channels))
        bias = random.normal(0, 0.1, classes)
        self.macs[name] = weights.size
        return self.node(
            "Gemm",
            name,
            x,
            self.weight(f"{name}.weight", weights.astype(np.float32)),
            self.weight(f"{name}.bias", bias.astype(np.float32)),
            transB=1,
        )

    def finish(self, scores: Value) -> onnx.ModelProto:
        """The model `input` [N, 3, H, W] -> `scores` [N, classes] with a symbolic batch."""
        self._nodes[-1].output[0] = "scores"
        shapes = {
            "input": ["N", *self.input.data.shape[1:]],
            "scores": ["N", *scores.data.shape[1:]],
        }
        graph = helper.make_graph(
            self._nodes,
            "synthetic",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shapes["input"])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shapes["scores"])],
            [numpy_helper.from_array(array, name) for name, array in self._weights.items()],
        )
        return make_model(graph)
