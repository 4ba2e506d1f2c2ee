"""Writes nodes with random attributes and their outputs' shapes, as ONNX Runtime computes them.

Usage: make_cases.py OUTPUT.json. A case holds op, inputs, attributes and either shape and type
of the output, or neither where ONNX Runtime refuses the node.
"""

import json
import sys

import numpy as np
from onnx import TensorProto

from further_cases import (arg_max, blocks, global_max_pool, normalization, reduce_mean, reduction,
                           scatter, split, tile, unary)
from one_node import (ONNX_BYTES, RANDOM, chance, draw, extents, floats, ints, pick, run, scalar,
                      tensor, zeros)


def narrowed(shape):
    """A shape that broadcasts to the other: some extents 1, some leading ones left out."""
    kept = [1 if chance(0.3) else extent for extent in shape]
    return kept[draw(0, len(shape) - 1) :] if chance(0.4) else kept


def elementwise():
    op = pick("Add", "Sub", "Mul", "Div", "Equal", "Max", "Min", "Pow", "Sum", "Mean", "PRelu")
    shape = extents(draw(1, 5))
    kind = pick("float", "int") if op == "Equal" else "float"
    pair = [tensor(shape, kind), tensor(narrowed(shape), kind)]
    return op, pair if op == "PRelu" else pair[:: pick(1, -1)], {}


def where():
    shape = extents(draw(1, 4))
    kind = pick("float", "int")
    return "Where", [
        tensor(narrowed(shape), "bool"), tensor(shape, kind), tensor(narrowed(shape), kind)
    ], {}


def same_shape():
    shape = extents(draw(2, 4))
    op = pick("Relu", "Clip", "HardSigmoid", "Identity", "Softmax", "Cast", "Sigmoid", "HardSwish",
              "Elu", "LogSoftmax", "Neg", "Sqrt", "Celu")
    attributes = {}
    if op.endswith("Softmax") and chance(0.7):
        attributes["axis"] = draw(-len(shape), len(shape) - 1)
    if op == "Cast":
        attributes["to"] = pick(TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32,
                                TensorProto.BOOL, TensorProto.DOUBLE, TensorProto.FLOAT16)
    return op, [tensor(shape)], attributes


def batch_normalization():
    shape = extents(draw(2, 4))
    return "BatchNormalization", [tensor(shape), *[tensor([shape[1]]) for _ in range(4)]], {}


def window(axes, kernel, attributes):
    """Strides, dilations and pads, or auto_pad, each left out at times."""
    if chance(0.7):
        attributes["strides"] = extents(axes, 1, 3)
    automatic = pick("", "", "", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    if automatic:
        attributes["auto_pad"] = automatic
    if automatic.startswith("SAME") and "strides" in attributes:
        # Longer ones may crop: refused here, and by ONNX Runtime where it pools.
        attributes["strides"] = [min(s, k) for s, k in zip(attributes["strides"], kernel)]
    if automatic in ("", "NOTSET"):
        if chance(0.4):
            attributes["dilations"] = extents(axes, 1, 2)
        if chance(0.7):
            # ONNX Runtime refuses a pad as wide as a pooling window.
            attributes["pads"] = [draw(0, size - 1) for size in kernel * 2]
    return attributes


def conv():
    axes, group = pick(1, 2, 2, 2), pick(1, 1, 2)
    kernel = extents(axes, 1, 4)
    channels, maps = group * draw(1, 3), group * draw(1, 3)
    inputs = [tensor([draw(1, 2), channels, *extents(axes, 7, 14)]),
              tensor([maps, channels // group, *kernel])]
    if chance(0.5):
        inputs.append(tensor([maps]))
    attributes = window(axes, kernel, {})
    if group > 1:
        attributes["group"] = group
    if chance(0.5):
        attributes["kernel_shape"] = kernel
    return "Conv", inputs, attributes


def conv_transpose():
    axes, group = pick(1, 2, 2, 2), pick(1, 1, 2)
    kernel = extents(axes, 2, 4)
    channels, maps = group * draw(1, 3), draw(1, 3)
    inputs = [tensor([draw(1, 2), channels, *extents(axes, 4, 9)]), tensor([channels, maps, *kernel])]
    if chance(0.5):
        inputs.append(tensor([maps * group]))
    strides, dilations = extents(axes, 1, 3), extents(axes, 1, 2)
    attributes = {"strides": strides, "dilations": dilations, "group": group}
    if chance(0.5):
        attributes["pads"] = [draw(0, 1) for _ in kernel * 2]
    if chance(0.5):
        attributes["output_padding"] = [draw(0, s - 1) for s in strides]
    return "ConvTranspose", inputs, attributes


def pool():
    axes = pick(1, 2, 2, 2)
    kernel = extents(axes, 1, 4)
    attributes = window(axes, kernel, {"kernel_shape": kernel})
    if chance(0.5) and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    op = pick("MaxPool", "AveragePool")
    if op == "AveragePool" and chance(0.5):
        attributes["count_include_pad"] = 1
    return op, [tensor([draw(1, 2), draw(1, 3), *extents(axes, 7, 14)])], attributes


def global_average_pool():
    return "GlobalAveragePool", [tensor(extents(pick(3, 4, 5)))], {}


def concat():
    shape = extents(draw(1, 4))
    axis = draw(-len(shape), len(shape) - 1)
    parts = []
    for _ in range(draw(1, 4)):
        part = list(shape)
        part[axis] = draw(0, 4)
        parts.append(tensor(part))
    return "Concat", parts, {"axis": axis}


def expand():
    shape = extents(draw(1, 4))
    return "Expand", [tensor(narrowed(shape)), ints(narrowed(shape))], {}


def flatten():
    shape = extents(draw(1, 4))
    attributes = {"axis": draw(-len(shape), len(shape))} if chance(0.8) else {}
    return "Flatten", [tensor(shape)], attributes


def gather():
    shape = extents(draw(1, 4))
    indices = tensor(extents(draw(0, 2)), "int")
    return "Gather", [tensor(shape), indices], {"axis": draw(-len(shape), len(shape) - 1)}


def gemm():
    rows, inner, columns = extents(3)
    trans_a, trans_b = draw(0, 1), draw(0, 1)
    inputs = [tensor([inner, rows] if trans_a else [rows, inner]),
              tensor([columns, inner] if trans_b else [inner, columns])]
    if chance(0.6):
        inputs.append(tensor(narrowed([rows, columns])))
    return "Gemm", inputs, {"transA": trans_a, "transB": trans_b}


def mat_mul():
    rows, inner, columns = extents(3)
    batch = extents(draw(0, 2))
    a, b = (batch, narrowed(batch) if batch else [])[:: pick(1, -1)]
    return "MatMul", [tensor([*a, rows, inner]), tensor([*b, inner, columns])], {}


def pad():
    shape = extents(draw(1, 4), 3, 6)
    if chance(0.5):
        return "Pad", [tensor(shape), ints([draw(-1, 3) for _ in shape * 2])], {}
    axes = [int(a) for a in RANDOM.permutation(len(shape))[: draw(1, len(shape))]]
    axes = [a - len(shape) if chance(0.3) else a for a in axes]
    pads = ints([draw(-1, 3) for _ in axes * 2])
    return "Pad", [tensor(shape), pads, None, ints(axes)], {}


def range_():
    step = pick(-3, -2, -1, 1, 2, 3)
    return "Range", [scalar(draw(-5, 5)), scalar(draw(-9, 9)), scalar(step)], {}


def reshape():
    shape = extents(draw(1, 4))
    target = [int(e) for e in RANDOM.permutation(shape)]
    while len(target) > 1 and chance(0.5):
        target = [target[0] * target[1], *target[2:]]
    if chance(0.3):
        target.insert(draw(0, len(target)), 1)
    for axis in range(min(len(target), len(shape))):
        if target[axis] == shape[axis] and chance(0.5):
            target[axis] = 0  # the input's own extent
    if chance(0.5):
        target[draw(0, len(target) - 1)] = -1
    return "Reshape", [tensor(shape), ints(target)], {}


def resize():
    shape = [1, draw(1, 3), *extents(2, 2, 9)]
    attributes = {"mode": pick("nearest", "linear")}
    axes = [0, 1, 2, 3]
    if chance(0.4):
        axes = pick([2, 3], [3, 2], [-2, -1], [3])
        attributes["axes"] = axes
    spatial = [axis % 4 > 1 for axis in axes]
    if chance(0.5):
        factors = [pick(0.5, 0.6, 1.3, 1.5, 2, 3) if s else 1 for s in spatial]
        return "Resize", [tensor(shape), None, floats(factors)], attributes
    sizes = [draw(1, 12) if s else shape[axis] for axis, s in zip(axes, spatial)]
    return "Resize", [tensor(shape), None, None, ints(sizes)], attributes


def shape_of():
    attributes = {}
    if chance(0.5):
        attributes["start"] = draw(-5, 5)
    if chance(0.5):
        attributes["end"] = draw(-5, 5)
    return "Shape", [tensor(extents(draw(1, 4)))], attributes


def slice_():
    shape = extents(draw(1, 4), 1, 9)
    axes = [int(a) for a in RANDOM.permutation(len(shape))[: draw(1, len(shape))]]
    far = 2**62
    inputs = [
        tensor(shape),
        ints([pick(draw(-12, 12), far, -far) for _ in axes]),
        ints([pick(draw(-12, 12), far, -far) for _ in axes]),
    ]
    if sorted(axes) != list(range(len(axes))) or chance(0.6):
        inputs.append(ints([a - len(shape) if chance(0.3) else a for a in axes]))
        if chance(0.6):
            inputs.append(ints([pick(-3, -2, -1, 1, 2, 3, far) for _ in axes]))
    return "Slice", inputs, {}


def squeeze():
    shape = [1 if chance(0.5) else draw(2, 5) for _ in range(draw(1, 5))]
    ones = [axis for axis, extent in enumerate(shape) if extent == 1]
    if not ones or chance(0.3):
        return "Squeeze", [tensor(shape)], {}
    axes = [a - len(shape) if chance(0.3) else a for a in ones if chance(0.7)] or ones[:1]
    return "Squeeze", [tensor(shape), ints(axes)], {}


def unsqueeze():
    shape = extents(draw(0, 3))
    added = draw(1, 3)
    rank = len(shape) + added
    axes = [int(a) for a in RANDOM.permutation(rank)[:added]]
    return "Unsqueeze", [tensor(shape), ints([a - rank if chance(0.3) else a for a in axes])], {}


def transpose():
    shape = extents(draw(1, 5))
    return "Transpose", [tensor(shape)], (
        {"perm": [int(a) for a in RANDOM.permutation(len(shape))]} if chance(0.8) else {}
    )


def constant():
    shape = extents(draw(0, 3))
    count = int(np.prod(shape))
    return "Constant", [], pick(
        {"value_int": 3}, {"value_float": 1.5}, {"value_ints": extents(draw(1, 4))},
        {"value_floats": [0.5] * draw(1, 4)}, {"value": {"shape": shape, "ints": [1] * count}},
        {"value": {"shape": shape, "floats": [1.0] * count}},
    )


def constant_of_shape():
    attributes = pick({}, {"value": floats([2])}, {"value": ints([2])})
    return "ConstantOfShape", [ints(extents(draw(1, 4), 0))], attributes


def quantize_linear():
    shape = extents(draw(1, 4))
    kind = pick("uint8", "int8")
    if chance(0.3):
        onnx_type = {"output_dtype": ONNX_BYTES[kind]} if chance(0.7) else {}
        return "QuantizeLinear", [tensor(shape), scale(1)], onnx_type
    axis = draw(0, len(shape) - 1)
    count = pick(1, shape[axis])
    attributes = {"axis": pick(axis, axis - len(shape))} if count > 1 else {}
    return "QuantizeLinear", [tensor(shape), scale(count), zeros(kind, count)], attributes


def dequantize_linear():
    shape = extents(draw(1, 4))
    kind = pick("uint8", "int8")
    axis = draw(0, len(shape) - 1)
    count = pick(1, shape[axis])
    attributes = {"axis": pick(axis, axis - len(shape))} if count > 1 else {}
    inputs = [tensor(shape, kind), scale(count)]
    return "DequantizeLinear", inputs + [zeros(kind, count)] * draw(0, 1), attributes


def scale(count):
    return {"shape": [count] if count > 1 else [], "floats": [0.5] * count}


def q_linear(op, inputs, attributes, outputs):
    kind = pick("uint8", "int8")
    x, weights = ({**data, "kind": kind} for data in inputs[:2])
    weights["kind"] = "int8" if kind == "int8" else pick("uint8", "int8")
    count = pick(1, outputs)
    return op, [x, scale(1), zeros(kind, 1), weights, scale(count), zeros(weights["kind"], count),
                scale(1), zeros(kind, 1)], attributes


def q_linear_conv():
    _, inputs, attributes = conv()
    return q_linear("QLinearConv", inputs, attributes, inputs[1]["shape"][0])


def q_linear_mat_mul():
    _, inputs, attributes = mat_mul()
    return q_linear("QLinearMatMul", inputs, attributes, 1)


def conv_integer():
    _, inputs, attributes = conv()
    return "ConvInteger", [{**data, "kind": "uint8"} for data in inputs[:2]], attributes


def mat_mul_integer():
    _, inputs, attributes = mat_mul()
    kinds = ("uint8", pick("uint8", "int8"))
    return "MatMulInteger", [{**x, "kind": k} for x, k in zip(inputs, kinds)], attributes


def of_bytes():
    op, inputs, attributes = pick(pool, reshape)()
    op = "MaxPool" if op == "AveragePool" else op
    attributes.pop("count_include_pad", None)
    return op, [{**inputs[0], "kind": pick("uint8", "int8")}, *inputs[1:]], attributes


GENERATORS = [
    elementwise, where, same_shape, batch_normalization, conv, conv_transpose, pool, global_average_pool, concat,
    expand, flatten, gather, gemm, mat_mul, pad, range_, reduce_mean, reshape, resize, shape_of,
    slice_, squeeze, unsqueeze, transpose, constant, constant_of_shape,
    quantize_linear, dequantize_linear, q_linear_conv, q_linear_mat_mul, conv_integer,
    mat_mul_integer, of_bytes,
    reduction, unary, global_max_pool, split, arg_max, tile, blocks, normalization, scatter,
]

X = tensor([1, 4, 9, 7])
REFUSED = [
    ("Add", [X, tensor([5])], {}),
    ("Where", [tensor([2], "bool"), X, X], {}),
    ("Conv", [X, tensor([5, 3, 3, 3])], {}),
    ("Conv", [X, tensor([5, 4, 3])], {}),
    ("Conv", [X, tensor([5, 4, 10, 3])], {}),
    ("Conv", [X, tensor([5, 4, 3, 3])], {"strides": [1]}),
    ("Conv", [X, tensor([5, 2, 3, 3])], {"group": 2}),
    ("ConvTranspose", [X, tensor([5, 3, 3, 3])], {}),
    ("ConvTranspose", [X, tensor([4, 3, 3, 3]), tensor([4])], {}),
    ("MaxPool", [X], {"kernel_shape": [3]}),
    ("AveragePool", [X], {"kernel_shape": [3, 3], "pads": [1, 1]}),
    ("BatchNormalization", [X, *[tensor([3])] * 4], {}),
    ("Concat", [X, tensor([1, 4, 9, 6])], {"axis": 1}),
    ("Concat", [X, X], {"axis": 4}),
    ("Expand", [X, ints([1, 4, 9, 6])], {}),
    ("Flatten", [X], {"axis": 5}),
    ("Gather", [X, tensor([1], "int")], {"axis": 4}),
    ("Gemm", [tensor([2, 3]), tensor([4, 5])], {}),
    ("Gemm", [tensor([2, 3]), tensor([3, 5]), tensor([4])], {}),
    ("MatMul", [tensor([2, 3]), tensor([4, 5])], {}),
    ("MatMul", [tensor([2, 4, 3]), tensor([3, 3, 5])], {}),
    ("Pad", [X, ints([1, 1])], {}),
    ("ReduceMean", [X, ints([4])], {}),
    ("Reshape", [X, ints([5, -1])], {}),
    ("Reshape", [X, ints([-1, -1])], {}),
    ("Reshape", [X, ints([4, 9, 8])], {}),
    ("Resize", [X, None, floats([1, 1])], {}),
    ("Slice", [X, ints([0]), ints([2]), ints([4])], {}),
    ("Slice", [X, ints([0]), ints([2]), ints([1]), ints([0])], {}),
    ("Softmax", [X], {"axis": 4}),
    ("Squeeze", [X, ints([1])], {}),
    ("Unsqueeze", [X, ints([0, 0])], {}),
    ("Transpose", [X], {"perm": [0, 1, 2, 2]}),
    ("Range", [scalar(0), scalar(5), scalar(0)], {}),
]


def held_as(dtype):
    """The element type that Sluice holds such elements as."""
    if dtype.kind == "f":
        return "float32"
    return dtype.name if dtype.name in ONNX_BYTES else "int64"


def main():
    cases = []
    for generate in GENERATORS:
        for _ in range(60):
            op, inputs, attributes, *opset = generate()
            case = {"op": op, "inputs": inputs, "attributes": attributes}
            y = run(op, inputs, attributes, *opset or [21])
            cases.append({**case, "shape": list(y.shape), "type": held_as(y.dtype)})
    for op, inputs, attributes in REFUSED:
        try:
            y = run(op, inputs, attributes, 21)
        except Exception:  # onnxruntime has one type a status code, without a common base
            cases.append({"op": op, "inputs": inputs, "attributes": attributes})
        else:
            raise SystemExit(f"ONNX Runtime takes {op} {inputs} {attributes}: {y.shape}")
    with open(sys.argv[1], "w") as file:
        json.dump(cases, file)


if __name__ == "__main__":
    main()
