"""Cases of quantised operators, their results computed by ONNX Runtime: see make_cases.py."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(25)
INFINITY = 3e38


def answer(nodes, weights, y_type):
    """Value "y" of a graph of constants; ONNX Runtime computes it node by node."""
    graph = helper.make_graph(
        [*nodes, helper.make_node("Identity", ["last"], ["y"])], "case",
        [helper.make_tensor_value_info("unused", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", y_type, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           ["CPUExecutionProvider"])
    return session.run(None, {"unused": np.zeros(1, np.float32)})[0]


class Graph:
    """Nodes over constants, each method returns the name of what it gives."""

    def __init__(self):
        self.nodes, self.weights = [], {}

    def constant(self, array):
        name = f"c{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def add(self, op, *inputs, domain="", **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], domain=domain, **attributes))
        return name

    def numbers(self, q):
        return self.constant(np.float32(q[0])), self.constant(np.uint8(q[1]))

    def quantized(self, x, q):
        return self.add("QuantizeLinear", x, *self.numbers(q))

    def dequantized(self, x, q):
        return self.add("DequantizeLinear", x, *self.numbers(q))

    def rounded(self, x, q):
        return self.dequantized(self.quantized(x, q), q) if q else x

    def clipped(self, x, low, high):
        return self.add("Clip", x, self.constant(np.float32(low)), self.constant(np.float32(high)))

    def answer(self, last, y_type=TensorProto.UINT8):
        self.nodes[-1].output[0] = "last"
        assert last == f"v{len(self.nodes) - 1}"
        return answer(self.nodes, self.weights, y_type)


def bytes_(*shape):
    return RANDOM.integers(0, 256, shape).astype(np.uint8)


def random(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def conv(cases, name, stride=1, act=(-INFINITY, INFINITY), after_act=None, maps=0, after_gate=None,
         residual=None, post=(-INFINITY, INFINITY), y=None, rounding=None, scaled=False):
    """A convolution; roundings are pairs of scale and zero point, `maps` are those of the gate."""
    x_q = (0.05, 131)
    x, w = bytes_(2, 5, 7, 6), RANDOM.integers(-128, 128, (6, 5, 3, 3)).astype(np.int8)
    w_scale = RANDOM.uniform(0.0005, 0.002, 6).astype(np.float32)
    bias = RANDOM.integers(-3000, 3000, 6).astype(np.int32)
    wide = (bias * w_scale.astype(np.float64) * np.float32(0.05)).astype(np.float32)
    scale = np.abs(random(6)) if scaled else np.ones(6, np.float32)
    shift = random(6) if scaled or after_gate else np.zeros(6, np.float32)
    g = Graph()
    weights = g.add("DequantizeLinear", g.constant(w), g.constant(w_scale), axis=0)
    t = g.add("Conv", g.dequantized(g.constant(x), x_q), weights, g.constant(wide),
              pads=[1, 0, 1, 1], strides=[stride, 1])
    t = g.rounded(g.clipped(t, *act), after_act)
    shape = [2, 6, (7 - 1) // stride + 1, 5]
    gate = np.maximum(random(2, maps, *shape[2:]), 0)
    if maps:
        t = g.add("Mul", t, g.constant(np.repeat(gate, 6 // maps, axis=1)))
    t = g.rounded(t, after_gate)
    t = g.add("Mul", t, g.constant(scale.reshape(1, 6, 1, 1)))
    t = g.add("Add", t, g.constant(shift.reshape(1, 6, 1, 1)))
    r = bytes_(*shape) if residual else np.zeros(0)
    if residual:
        t = g.add("Add", t, g.dequantized(g.constant(r), residual))
    t = g.clipped(t, *post)
    if y:
        last = g.quantized(t, y)
    else:
        last = g.rounded(t, rounding) if rounding else g.clipped(t, -INFINITY, INFINITY)
    result = g.answer(last, TensorProto.UINT8 if y else TensorProto.FLOAT)
    reals = [*x_q, *act, *post]
    for pair in (residual, after_act, after_gate, y, rounding):
        reals += pair or (0, 0)
    cases.add(name, "quantised_conv", [stride, 1, 1, 0, 1, 1], reals,
              [x, w, w_scale, wide, scale, shift, gate, r, result])


def convolutions(cases):
    conv(cases, "plain", y=(0.02, 120))
    conv(cases, "stride", stride=2, act=(0, INFINITY), y=(0.013, 0))
    conv(cases, "clip", act=(-0.3, 1.21), y=(0.01, 97))
    conv(cases, "float", post=(-0.5, 0.75))
    conv(cases, "branch", act=(0, 1), rounding=(1 / 255, 0))
    conv(cases, "residual", residual=(0.03, 77), post=(0, INFINITY), y=(0.024, 3))
    conv(cases, "scaled", act=(0, INFINITY), scaled=True, maps=1, y=(0.05, 99))
    conv(cases, "staged_residual", after_gate=(0.017, 140), residual=(0.03, 77), y=(0.03, 88))
    for maps in (1, 2, 6):
        conv(cases, f"gate{maps}", maps=maps, act=(0, INFINITY), y=(0.02, 7))
        conv(cases, f"staged_gate{maps}", maps=maps, after_act=(0.02, 128), after_gate=(0.025, 119),
             residual=(0.02, 11), post=(0, INFINITY), y=(0.033, 0))


def rounded_values(cases):
    x = (8 * random(3, 50)).astype(np.float32)
    x[0] = np.float32(0.25) * np.arange(-25, 25)  # half-way between numbers
    for scale, zero in ((0.5, 128), (0.5, 0), (0.037, 9), (0.1, 255)):
        g = Graph()
        numbers = g.answer(g.quantized(g.constant(x), (scale, zero)))
        cases.add(f"{scale}_{zero}", "quantize", [], [scale, zero], [x, numbers])
        g = Graph()
        y = g.answer(g.dequantized(g.constant(numbers), (scale, zero)), TensorProto.FLOAT)
        cases.add(f"{scale}_{zero}", "dequantize", [], [scale, zero], [numbers, y])


def sums_and_averages(cases):
    a, b = bytes_(2, 3, 8, 7), bytes_(2, 3, 8, 7)
    qa, qb, qy = (0.021, 128), (0.043, 3), (0.05, 77)
    g = Graph()
    y = g.answer(g.quantized(g.add("Add", g.dequantized(g.constant(a), qa),
                                   g.dequantized(g.constant(b), qb)), qy))
    cases.add("add", "quantised_add", [], [*qa, *qb, *qy], [a, b, y])
    g = Graph()
    scale, shift = random(3) + np.float32(1), random(3)
    multiple = g.add("Mul", g.dequantized(g.constant(a), qa), g.constant(scale.reshape(3, 1, 1)))
    total = g.add("Add", multiple, g.constant(shift.reshape(3, 1, 1)))
    y = g.answer(g.quantized(g.add("Relu", total), qy))
    cases.add("affine", "quantised_affine", [], [*qa, *qy], [a, scale, shift, y])
    for include in (0, 1):
        g = Graph()
        mean = g.add("AveragePool", g.dequantized(g.constant(a), qa), kernel_shape=[3, 2],
                     strides=[2, 3], pads=[1, 0, 1, 1], count_include_pad=include)
        window = [3, 2, 2, 3, 1, 0, 1, 1, 0, include]
        cases.add(f"average{include}", "quantised_average_pool", window, [*qa, 0.017, 100],
                  [a, g.answer(g.quantized(mean, (0.017, 100)))])
