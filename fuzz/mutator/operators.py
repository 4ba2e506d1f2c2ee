"""Operators beyond those of blocks.py and windows.py: activations, reductions, normalisations, products of
matrices, and what moves data. Blocks as in blocks.py.
"""

from __future__ import annotations

import math

import numpy as np

from blocks import positive
from net import Net, Value

# Activations by the opset that brought them.
ACTIVATIONS = {"Sigmoid": 13, "Tanh": 13, "Elu": 13, "Selu": 13, "LeakyRelu": 13, "Softplus": 13,
               "Softsign": 13, "Erf": 13, "Abs": 13, "Neg": 13, "ThresholdedRelu": 13, "Celu": 13,
               "HardSwish": 14, "Mish": 18, "Gelu": 20}
TAKES_ALPHA = ("Elu", "LeakyRelu", "ThresholdedRelu", "Celu")


def activation(net: Net, x: Value) -> Value:
    kind = net.pick(*[name for name, opset in ACTIVATIONS.items() if opset <= net.opset])
    attributes = {}
    if kind in TAKES_ALPHA and net.chance(0.7):
        attributes["alpha"] = float(net.pick(0.1, 0.5, 2.0))
    if kind == "Gelu" and net.chance(0.5):
        attributes["approximate"] = "tanh"
    return net.op(kind, [x], x.shape, **attributes)


def silu(net: Net, x: Value) -> Value:
    """Written out, as exporters do: x * Sigmoid(x), x * Tanh(Softplus(x)), Gelu by Erf."""
    form = net.pick("silu", "mish", "gelu")
    if form == "silu":
        return net.op("Mul", net.pick(*pair(x, net.op("Sigmoid", [x], x.shape))), x.shape)
    if form == "mish":
        soft = net.op("Softplus", [x], x.shape)
        return net.op("Mul", net.pick(*pair(x, net.op("Tanh", [soft], x.shape))), x.shape)
    root, one, half = (net.constant(np.float32(v)) for v in (math.sqrt(2), 1, 0.5))
    erf = net.op("Erf", [net.op("Div", [x, root], x.shape)], x.shape)
    return net.op("Mul", [net.op("Mul", [x, net.op("Add", [erf, one], x.shape)], x.shape), half], x.shape)


def pair(a: Value, b: Value) -> tuple[list[Value], list[Value]]:
    return [a, b], [b, a]


def curve(net: Net, x: Value) -> Value:
    """Functions that want small or positive numbers."""
    form = net.pick("Exp", "Log", "Sqrt", "Reciprocal", "Pow", "Square")
    if form == "Exp":
        return net.op("Exp", [net.op("Tanh", [x], x.shape)], x.shape)
    if form == "Square":
        return net.op("Pow", [x, net.constant(np.float32(2))], x.shape)
    plus = positive(net, x)
    if form == "Pow":
        return net.op("Pow", [plus, net.constant(np.float32(net.pick(0.5, 1.5, -1)))], x.shape)
    return net.op(form, [plus], x.shape)


def extreme(net: Net, x: Value) -> Value | None:
    """Max, Min, Sum or Mean of two or three, of which some repeat."""
    if len(x.shape) < 2:
        return None
    shapes = [x.shape[1:], (x.shape[-1],), (1,) * len(x.shape)]
    others = [net.floats(*net.pick(*shapes)) for _ in range(net.pick(1, 2))]
    return net.op(net.pick("Max", "Min", "Sum", "Mean"), [x, *others], x.shape)


def slopes(net: Net, x: Value) -> Value | None:
    if len(x.shape) < 2:
        return None
    ones = (1,) * (len(x.shape) - 2)
    return net.op("PRelu", [x, net.floats(*net.pick((1,), (x.channels, *ones)))], x.shape)


def reduce(net: Net, x: Value) -> Value | None:
    if not 2 <= len(x.shape) <= 5:
        return None
    axes = [a for a in range(1, len(x.shape)) if net.chance(0.5)] or [len(x.shape) - 1]
    kind = net.pick("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2")
    keep = 1 if net.chance(0.7) else 0
    kept = [1 if a in axes else e for a, e in enumerate(x.shape)]
    shape = kept if keep else [e for a, e in enumerate(x.shape) if a not in axes]
    if net.chance(0.3):
        axes = [a - len(x.shape) for a in axes]
    if kind == "ReduceSum" or net.opset >= 18:
        y = net.op(kind, [x, net.ints(*axes)], shape, keepdims=keep)
    else:
        y = net.op(kind, [x], shape, axes=axes, keepdims=keep)
    if keep and net.chance(0.5):  # as a normalisation subtracts it
        return net.op(net.pick("Sub", "Add"), [x, y], x.shape)
    return y


def layer_norm(net: Net, x: Value) -> Value | None:
    if not 2 <= len(x.shape) <= 4 or net.opset < 17:
        return None
    axis = int(net.random.integers(1, len(x.shape)))
    if math.prod(x.shape[axis:]) < 3:  # of one or two numbers a deviation is all rounding
        return None
    inputs = [x, *[net.floats(*x.shape[axis:]) for _ in range(net.pick(1, 2))]]
    return net.op("LayerNormalization", inputs, x.shape, axis=axis, epsilon=0.01)


def norm(net: Net, x: Value) -> Value | None:
    if not x.is_map:
        return None
    if net.chance(0.4):
        return net.op("LRN", [x], x.shape, size=int(net.pick(1, 3, 5)), beta=0.75, alpha=0.1)
    if math.prod(x.size) < 3:
        return None
    inputs = [x, net.floats(x.channels), net.floats(x.channels)]
    if net.opset < 21 or net.chance(0.5):
        return net.op("InstanceNormalization", inputs, x.shape, epsilon=0.01)
    groups = net.pick(*[g for g in range(1, x.channels + 1) if x.channels % g == 0])
    return net.op("GroupNormalization", inputs, x.shape, num_groups=int(groups), epsilon=0.01)


def split(net: Net, x: Value) -> Value | None:
    if not 2 <= len(x.shape) <= 4:
        return None
    axis = int(net.random.integers(1, len(x.shape)))
    extent = x.shape[axis]
    if extent < 2:
        return None
    first = int(net.random.integers(1, extent))
    shapes = [(*x.shape[:axis], e, *x.shape[axis + 1:]) for e in (first, extent - first)]
    parts = net.ops("Split", [x, net.ints(first, extent - first)], shapes, axis=axis)
    form = net.pick("first", "last", "swapped", "gated")
    if form == "swapped":
        return net.op("Concat", parts[::-1], x.shape, axis=axis)
    if form == "gated" and shapes[0] == shapes[1]:
        return net.op("Mul", [parts[0], net.op("Sigmoid", [parts[1]], shapes[1])], shapes[0])
    return parts[1 if form == "last" else 0]


def depth_space(net: Net, x: Value) -> Value | None:
    side = net.pick(2, 2, 3)
    if not x.is_map:
        return None
    n, c, h, w = x.shape
    if c % (side * side) == 0:
        shape = (n, c // side**2, h * side, w * side)
        return net.op("DepthToSpace", [x], shape, blocksize=side, mode=net.pick("DCR", "CRD"))
    if h % side == 0 and w % side == 0:
        return net.op("SpaceToDepth", [x], (n, c * side**2, h // side, w // side), blocksize=side)
    return None


def border(net: Net, x: Value) -> Value | None:
    """Pads that repeat the input."""
    if not x.is_map:
        return None
    mode = net.pick("reflect", "edge") if net.opset < 19 else net.pick("reflect", "edge", "wrap")
    pads = [0] * 8
    for axis in (2, 3):
        for place in (axis, axis + 4):
            pads[place] = int(net.random.integers(0, min(4, x.shape[axis])))
    shape = [e + pads[a] + pads[a + 4] for a, e in enumerate(x.shape)]
    return net.op("Pad", [x, net.ints(*pads)], shape, mode=mode)


def gather(net: Net, x: Value) -> Value | None:
    if not 2 <= len(x.shape) <= 4:
        return None
    axis = int(net.random.integers(1, len(x.shape)))
    count, extent = net.pick(1, 2, 5), x.shape[axis]
    indices = net.random.integers(-extent, extent, count)
    shape = (*x.shape[:axis], count, *x.shape[axis + 1:])
    return net.op("Gather", [x, net.ints(*indices)], shape, axis=axis)


def tile(net: Net, x: Value) -> Value | None:
    if not 2 <= len(x.shape) <= 4:
        return None
    times = [1, *[net.pick(1, 1, 2, 3) for _ in x.shape[1:]]]
    shape = [e * t for e, t in zip(x.shape, times)]
    return net.op("Tile", [x, net.ints(*times)], shape) if math.prod(shape) <= 1 << 16 else None


def spend(net: Net, macs: int) -> bool:
    if macs > net.macs:
        return False
    net.macs -= macs
    return True


def product(net: Net, x: Value, outputs: int | None = None) -> Value | None:
    """The last extent by constant weights, and perhaps a bias."""
    if not 3 <= len(x.shape) <= 4:
        return None
    outputs = outputs or net.pick(1, 3, 8, 16, 17, 40)
    inputs, shape = x.shape[-1], (*x.shape[:-1], outputs)
    if not spend(net, math.prod(x.shape) * outputs):
        return None
    scale = 3 / math.sqrt(inputs)
    y = net.op("MatMul", [x, net.floats(inputs, outputs, low=-scale, high=scale)], shape)
    return net.op("Add", net.pick(*pair(y, net.floats(outputs))), shape) if net.chance(0.6) else y


def channels_last(net: Net, x: Value) -> Value | None:
    """A part of a network whose channels lie last, as ConvNeXt has it, back with its channels first
    or not."""
    if not x.is_map:
        return None
    y = net.op("Transpose", [x], [x.shape[a] for a in (0, 2, 3, 1)], perm=[0, 2, 3, 1])
    scale = lambda net, y: net.op("Mul", [y, net.floats(y.shape[-1])], y.shape)  # noqa: E731
    for _ in range(net.pick(1, 2, 3, 4)):
        y = net.pick(product, product, silu, activation, scale, layer_norm, extreme)(net, y) or y
    if net.chance(0.2):
        return y
    z = net.op("Transpose", [y], [y.shape[a] for a in (0, 3, 1, 2)], perm=[0, 3, 1, 2])
    if z.shape == x.shape and net.chance(0.6):
        return net.op("Add", net.pick(*pair(z, x)), x.shape)
    return z


def attention(net: Net, x: Value) -> Value | None:
    """Products of two values of the graph."""
    if not x.is_map or not spend(net, 2 * math.prod(x.shape) * x.size[0]):
        return None
    n, heads, rows, depth = x.shape
    turned = net.op("Transpose", [x], (n, heads, depth, rows), perm=[0, 1, 3, 2])
    small = net.op("Mul", [x, net.constant(np.float32(1 / math.sqrt(depth)))], x.shape)
    scores = net.op("MatMul", [small, turned], (n, heads, rows, rows))
    if net.chance(0.7):
        scores = net.op("Softmax", [scores], scores.shape, axis=-1)
    else:
        scores = net.op("Tanh", [scores], scores.shape)
    return net.op("MatMul", [scores, x], x.shape)


def global_max(net: Net, x: Value) -> Value | None:
    return net.op("GlobalMaxPool", [x], (*x.shape[:2], 1, 1)) if x.is_map else None


OPERATORS = (activation, activation, silu, curve, extreme, slopes, reduce, reduce, layer_norm, norm, split,
             depth_space, border, gather, tile, product, channels_last, channels_last, attention, global_max)
