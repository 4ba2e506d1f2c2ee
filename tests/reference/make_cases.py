"""Writes cases for the scalar reference, their results computed by ONNX Runtime.

Usage: make_cases.py OUTPUT. A case is a line "case NAME OPERATOR", one of integers, one of reals,
and a line per tensor (rank, extents, elements), the last of them the expected result.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

import quantised_cases

Arrays = list[np.ndarray]
RANDOM = np.random.default_rng(20)


def random(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def run(nodes: list[onnx.NodeProto], feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Value "y" of a graph of these nodes."""
    graph = helper.make_graph(
        nodes,
        "case",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in feeds.items()
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, feeds)[0]


def one(op: str, feeds: dict[str, np.ndarray], **attributes: object) -> np.ndarray:
    return run([helper.make_node(op, list(feeds), ["y"], **attributes)], feeds)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


class Cases:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, name: str, op: str, numbers: list[int], reals: list[float], arrays: Arrays):
        self.lines.append(f"case {name} {op}")
        for values in (numbers, reals):
            self.lines.append(" ".join(map(str, [len(values), *values])))
        self.lines.append(str(len(arrays)))
        for array in arrays:
            data = [f"{v:.9g}" for v in array.ravel()]
            self.lines.append(" ".join([str(array.ndim), *map(str, array.shape), *data]))


def convolutions(cases: Cases) -> None:
    for i, (kernel, stride, pads, dilation, group) in enumerate(
        [((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1), ((1, 1), (2, 2), (0, 0, 0, 0), (1, 1), 1),
         ((5, 3), (2, 1), (2, 0, 1, 2), (1, 1), 1), ((3, 3), (1, 2), (2, 1, 2, 3), (2, 3), 1),
         ((3, 3), (2, 1), (1, 1, 1, 1), (1, 1), 6), ((3, 2), (1, 1), (1, 0, 3, 1), (3, 1), 3)]
    ):
        feeds = {"x": random(2, 6, 9, 8), "w": random(12, 6 // group, *kernel), "b": random(12)}
        y = one("Conv", feeds, strides=stride, pads=pads, dilations=dilation, group=group)
        cases.add(f"conv{i}", "conv", [*stride, *pads, *dilation], [], [*feeds.values(), y])


def transposed_convolutions(cases: Cases) -> None:
    for i, (kernel, stride, pads, dilation, group, more) in enumerate(
        [((2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 1, (0, 0)),
         ((4, 4), (2, 2), (1, 1, 1, 1), (1, 1), 1, (0, 0)),
         ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 2, (1, 1)),
         ((3, 2), (3, 1), (0, 1, 2, 0), (1, 2), 1, (2, 0)),
         ((1, 1), (2, 3), (0, 0, 0, 0), (1, 1), 1, (0, 0)),
         ((3, 3), (1, 2), (3, 1, 4, 0), (2, 3), 6, (0, 1))]
    ):
        feeds = {"x": random(2, 6, 5, 4), "w": random(6, 12 // group, *kernel), "b": random(12)}
        y = one("ConvTranspose", feeds, strides=stride, pads=pads, dilations=dilation, group=group,
                output_padding=more)
        cases.add(f"conv_transpose{i}", "conv_transpose", [*stride, *pads, *dilation, group], [],
                  [*feeds.values(), y])


def fused_convolutions(cases: Cases) -> None:
    for maps in (1, 2, 6):
        feeds = {
            "x": random(2, 3, 7, 6), "w": random(6, 3, 3, 3), "b": random(6),
            "scale": random(6), "shift": random(6),
        }
        gate = np.maximum(random(2, maps, 7, 6), 0)
        residual = random(2, 6, 7, 6)
        expanded = np.repeat(gate, 6 // maps, axis=1)
        more = {
            "g": expanded, "s4": feeds["scale"].reshape(1, 6, 1, 1),
            "t4": feeds["shift"].reshape(1, 6, 1, 1), "r": residual,
            "low": np.array(-0.5, np.float32), "high": np.array(2.5, np.float32),
        }
        node = helper.make_node
        y = run(
            [
                node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
                node("Relu", ["c"], ["a"]), node("Mul", ["a", "g"], ["ag"]),
                node("Mul", ["ag", "s4"], ["sag"]), node("Add", ["sag", "t4"], ["st"]),
                node("Add", ["st", "r"], ["str"]), node("Clip", ["str", "low", "high"], ["y"]),
            ],
            {"x": feeds["x"], "w": feeds["w"], "b": feeds["b"], **more},
        )
        cases.add(f"gate{maps}", "fused_conv", [], [-0.5, 2.5],
                  [*feeds.values(), gate, residual, y])


def pools(cases: Cases) -> None:
    x = random(2, 3, 8, 7)
    for ceil in (0, 1):
        window = [3, 2, 2, 3, 1, 0, 1, 1, ceil]
        shape = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1]}
        y = one("MaxPool", {"x": x}, ceil_mode=ceil, **shape)
        cases.add(f"max{ceil}", "max_pool", [*window, 0], [], [x, y])
        for include in (0, 1):
            y = one("AveragePool", {"x": x}, ceil_mode=ceil, count_include_pad=include, **shape)
            cases.add(f"average{ceil}{include}", "average_pool", [*window, include], [], [x, y])
    cases.add("global", "global_average_pool", [], [], [x, one("GlobalAveragePool", {"x": x})])


def resizes(cases: Cases) -> None:
    x = random(1, 2, 6, 8)
    coordinates = ["asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"]
    roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
    for c, coordinate in enumerate(coordinates):
        for size in ((12, 16), (3, 4), (1, 16)):
            sizes = ints(1, 2, *size)
            feeds = {"x": x, "sizes": sizes}

            def resize(mode: str, **more: str) -> np.ndarray:
                node = helper.make_node(
                    "Resize", ["x", "", "", "sizes"], ["y"], mode=mode,
                    coordinate_transformation_mode=coordinate, **more)
                return run([node], feeds)

            name = f"{coordinate}_{size[0]}x{size[1]}"
            cases.add(f"linear_{name}", "resize", [*size, 1, c, 0], [], [x, resize("linear")])
            for r, rounding in enumerate(roundings):
                y = resize("nearest", nearest_mode=rounding)
                cases.add(f"{rounding}_{name}", "resize", [*size, 0, c, r], [], [x, y])


def layouts_and_arithmetic(cases: Cases) -> None:
    x = random(2, 3, 5, 4)
    feeds = {"x": x, "pads": ints(0, 1, 2, 0, 0, 2, 0, -1), "v": np.array(1.5, np.float32)}
    cases.add("pad", "pad", [0, 1, 2, 0, 0, 2, 0, -1], [1.5], [x, one("Pad", feeds)])
    feeds = {"x": x, "starts": ints(0, 1, 4, 0), "ends": ints(2, 3, 0, 4),
             "axes": ints(0, 1, 2, 3), "steps": ints(1, 1, -2, 3)}
    cases.add("slice", "slice", [0, 1, 4, 0, 1, 1, -2, 3], [], [x, one("Slice", feeds)])
    z = random(2, 2, 5, 4)
    cases.add("concat", "concat", [1], [], [x, z, one("Concat", {"x": x, "z": z}, axis=1)])
    y = one("Transpose", {"x": x}, perm=[0, 2, 3, 1])
    cases.add("transpose", "transpose", [0, 2, 3, 1], [], [x, y])
    for axis in (1, -1):
        large = 60 * x  # exp of it overflows a float
        y = one("Softmax", {"x": large}, axis=axis)
        cases.add(f"softmax{axis}", "softmax", [axis], [], [large, y])
    feeds = {"x": random(3, 7), "w": random(5, 7), "b": random(5)}
    cases.add("linear", "linear", [], [], [*feeds.values(), one("Gemm", feeds, transB=1)])
    for i, op in enumerate(["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"]):
        x = np.abs(x) if op == "Pow" else x
        for other in (random(3, 1, 1), random(2, 1, 5, 4), random(1)):
            other = np.abs(other) if op == "Pow" else other
            name = f"{op}_{other.ndim}"
            cases.add(name, "binary", [i], [], [x, other, one(op, {"x": x, "b": other})])
            swapped = one(op, {"b": other, "x": x})
            cases.add(f"{name}_swapped", "binary", [i], [], [other, x, swapped])


def activations(cases: Cases) -> None:
    """In the order of ActivationKind."""
    x = np.concatenate([4 * random(2, 3, 5, 4).ravel(), np.linspace(-90, 90, 181)])
    x = x.astype(np.float32).reshape(1, -1)
    swish = [helper.make_node("HardSigmoid", ["x"], ["s"], alpha=0.2, beta=0.4),
             helper.make_node("Mul", ["x", "s"], ["y"])]
    silu = [helper.make_node("Mul", ["x", "alpha"], ["a"]), helper.make_node("Sigmoid", ["a"], ["s"]),
            helper.make_node("Mul", ["x", "s"], ["y"])]
    for i, (op, alpha, beta, attributes) in enumerate((
            ("Abs", 1, 1, {}), ("Selu", 1.5, 0.75, {"alpha": 1.5, "gamma": 0.75}), ("Erf", 1, 1, {}),
            ("Exp", 1, 1, {}), ("Gelu", 1, 1, {}), ("Gelu", 1, 1, {"approximate": "tanh"}),
            (swish, 0.2, 0.4, {}), ("LeakyRelu", 0.3, 1, {"alpha": 0.3}), ("Log", 1, 1, {}),
            ("Mish", 1, 1, {}), ("Sigmoid", 1, 1, {}), (silu, 1.7, 1, {}), ("Softplus", 1, 1, {}),
            ("Softsign", 1, 1, {}), ("Sqrt", 1, 1, {}), ("Tanh", 1, 1, {}),
            ("ThresholdedRelu", 0.5, 1, {"alpha": 0.5}))):
        z = np.abs(x) + np.float32(0.01) if op in ("Log", "Sqrt") else x
        z = np.minimum(z, 80) if op in ("Exp", "Selu") else z
        if isinstance(op, str):
            name, y = op, one(op, {"x": z}, **attributes)
        else:
            name, y = op[0].op_type, run(op, {"x": z} if op is swish else
                                         {"x": z, "alpha": np.array(alpha, np.float32)})
        cases.add(f"{name}{i}", "activation", [i], [alpha, beta], [z, y])
    slope = random(3, 1, 1)
    z = random(2, 3, 5, 4)
    cases.add("PRelu", "binary", [7], [], [z, slope, one("PRelu", {"x": z, "slope": slope})])


def reductions_and_products(cases: Cases) -> None:
    x = random(2, 3, 5, 4)
    for i, op in enumerate(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin")):
        for axes in ([1], [2, 3], [1, 2, 3]):
            y = one(op, {"x": x, "axes": ints(*axes)})
            cases.add(f"{op}_{len(axes)}", "reduce", [i, *axes], [], [x, y])
    for a, b in (((4, 5), (5, 3)), ((2, 4, 5), (5, 3)), ((2, 3, 4, 5), (2, 1, 5, 6)),
                 ((4, 5), (2, 3, 5, 6))):
        feeds = {"a": random(*a), "b": random(*b)}
        cases.add(f"product{len(a)}{len(b)}", "mat_mul", [], [], [*feeds.values(), one("MatMul", feeds)])


def main() -> None:
    cases = Cases()
    for part in (convolutions, transposed_convolutions, fused_convolutions, pools, resizes,
                 layouts_and_arithmetic, activations, reductions_and_products,
                 quantised_cases.convolutions, quantised_cases.rounded_values,
                 quantised_cases.sums_and_averages):
        part(cases)
    output = Path(sys.argv[1])
    aside = output.with_suffix(".tmp")
    aside.write_text("\n".join(cases.lines) + "\n")
    aside.replace(output)


if __name__ == "__main__":
    main()
