"""What random graphs are made of: operators with random parameters; windows.py and operators.py have more.

A block takes a net and a value and returns a value, or None where it does not fit that value. Its
activations stay near one in size, so that a difference means something.
"""

from __future__ import annotations

import math

import numpy as np

from net import Net, Value

WIDTHS = (1, 2, 3, 4, 5, 8, 13, 16, 16, 17, 24, 32, 32, 48, 64, 64, 70)
FLOAT, FLOAT16, DOUBLE = 1, 10, 11


def width(net: Net) -> int:
    """A number of channels: those that kernels are made for, and odd ones."""
    return net.pick(*WIDTHS)


def window_extent(
    extent: int, kernel: int, stride: int, before: int, after: int, ceil: bool = False
) -> int:
    room = extent + before + after - kernel
    count = room // stride + 1
    if ceil and room % stride:
        # ONNX Runtime's shape inference keeps a window that starts behind the input, and its kernel
        # does not, up to opset 21: no such window here.
        return count + 1 if count * stride < extent + before else 0
    return count


def conv(
    net: Net,
    x: Value,
    outputs: int | None = None,
    kernel: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    pads: list[int] | None = None,
) -> Value | None:
    """A convolution with whatever is not given drawn at random, within what the net may spend."""
    if not x.is_map:
        return None
    outputs = outputs or width(net)
    if kernel is None:
        side = net.pick(1, 1, 2, 3, 3, 3, 3, 4, 5, 7)
        kernel = (side, side) if net.chance(0.8) else (side, net.pick(1, 2, 3, 5))
    if stride is None:
        by = net.pick(1, 1, 1, 2, 2, 3)
        stride = (by, by) if net.chance(0.85) else (by, net.pick(1, 2))
    if pads is None:
        same = [kernel[0] // 2, kernel[1] // 2] * 2
        pads = same if net.chance(0.7) else [int(net.random.integers(0, k + 1)) for k in kernel * 2]
    size = [window_extent(x.size[a], kernel[a], stride[a], pads[a], pads[a + 2]) for a in (0, 1)]
    macs = x.shape[0] * math.prod(size) * outputs * x.channels * math.prod(kernel)
    if min(size) < 1 or macs > net.macs:
        return None
    net.macs -= macs
    scale = 3 / math.sqrt(x.channels * math.prod(kernel))
    weights = net.floats(outputs, x.channels, *kernel, low=-scale, high=scale)
    inputs = [x, weights] + ([net.floats(outputs)] if net.chance(0.7) else [])
    return net.op(
        "Conv", inputs, (x.shape[0], outputs, *size), kernel_shape=kernel, strides=stride, pads=pads
    )


def conv_auto_pad(net: Net, x: Value) -> Value | None:
    if (
        not x.is_map
        or min(x.size) < 3
        or x.channels * 8 * 9 * math.prod(x.shape[2:]) * x.shape[0] > net.macs
    ):
        return None
    mode, stride = net.pick("SAME_UPPER", "SAME_LOWER", "VALID"), net.pick(1, 2)
    size = [(e - 3) // stride + 1 if mode == "VALID" else -(-e // stride) for e in x.size]
    weights = net.floats(8, x.channels, 3, 3, low=-0.5, high=0.5)
    return net.op("Conv", [x, weights], (x.shape[0], 8, *size), auto_pad=mode, strides=[stride] * 2)


def batch_norm(net: Net, x: Value) -> Value | None:
    if len(x.shape) < 2:
        return None
    parameters = [net.floats(x.channels) for _ in range(3)]
    variance = net.floats(x.channels, low=0.5, high=2)
    return net.op("BatchNormalization", [x, *parameters, variance], x.shape)


def clamp(net: Net, x: Value) -> Value:
    form = net.pick("relu", "relu", "clip", "low", "high", "sigmoid")
    if form == "relu":
        return net.op("Relu", [x], x.shape)
    if form == "sigmoid":
        return net.op(
            "HardSigmoid",
            [x],
            x.shape,
            alpha=float(net.pick(0.2, 1 / 6, -0.5)),
            beta=float(net.pick(0.5, 0.0)),
        )
    low, high = sorted(net.random.uniform(-1, 1, 2).astype(np.float32))
    bounds = {"clip": [low, high], "low": [low, None], "high": [None, high]}[form]
    return net.op("Clip", [x, *[None if b is None else net.constant(b) for b in bounds]], x.shape)


def affine(net: Net, x: Value) -> Value | None:
    """Arithmetic with a constant: a scalar, a value for every channel, a map, a column, or all."""
    if len(x.shape) < 2:
        return None
    shapes = [
        (),
        (1,),
        x.shape[1:],
        (1,) * len(x.shape),
        (1, x.channels) + (1,) * (len(x.shape) - 2),
    ]
    if x.is_map:
        shapes += [(1, 1, *x.size), (x.size[0], 1), (x.channels, 1, 1), (1, x.size[1])]
    constant = net.floats(*net.pick(*shapes), low=0.5, high=2)
    kind = net.pick("Add", "Sub", "Mul", "Div")
    return net.op(
        kind, net.pick([x, constant], [constant, x] if kind != "Div" else [x, constant]), x.shape
    )


def positive(net: Net, x: Value) -> Value:
    one = net.constant(np.float32(1))
    return net.op("Add", [net.op("Relu", [x], x.shape), one], x.shape)


def arithmetic(net: Net, x: Value) -> Value | None:
    """Two values of the graph: of one shape, or one of them repeated along an axis."""
    if not x.is_map:
        return None
    other = (
        net.pick(conv, pool)(net, x)
        if net.chance(0.2)
        else conv(net, x, x.channels, (1, 1), (1, 1), [0] * 4)
    )
    if other is None:
        return None
    form = net.pick("full", "full", "map", "channels", "row")
    if form == "map":
        other = conv(net, x, 1, (1, 1), (1, 1), [0] * 4)
    elif form == "channels":
        other = net.op("GlobalAveragePool", [other], (*other.shape[:2], 1, 1))
    elif form == "row":
        other = cut(net, other, 2, 0, 1)
    if other is None or any(a != b and 1 not in (a, b) for a, b in zip(x.shape, other.shape)):
        return None
    shape = tuple(max(a, b) for a, b in zip(x.shape, other.shape))
    kind = net.pick("Add", "Sub", "Mul", "Div")
    if kind == "Div":
        return net.op(kind, [x, positive(net, other)], shape)
    return net.op(kind, net.pick([x, other], [other, x]), shape)


def pool(net: Net, x: Value) -> Value | None:
    if not x.is_map:
        return None
    kernel = [net.pick(1, 2, 3, 3, 5), net.pick(1, 2, 3, 3, 4)]
    stride = [net.pick(1, 2, 2, 3), net.pick(1, 2, 2)]
    pads = [int(net.random.integers(0, kernel[a % 2])) for a in range(4)]
    ceil = net.chance(0.3)
    size = [
        window_extent(x.size[a], kernel[a], stride[a], pads[a], pads[a + 2], ceil) for a in (0, 1)
    ]
    if min(size) < 1:
        return None
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": pads, "ceil_mode": int(ceil)}
    kind = net.pick("MaxPool", "AveragePool")
    if kind == "AveragePool":
        attributes["count_include_pad"] = net.pick(0, 1)
    return net.op(kind, [x], (*x.shape[:2], *size), **attributes)


def global_pool(net: Net, x: Value) -> Value | None:
    if not x.is_map:
        return None
    if net.chance(0.5):
        return net.op("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))
    keep = net.pick(0, 1)
    shape = (*x.shape[:2], *([1, 1] if keep else []))
    if net.opset < 18:
        return net.op("ReduceMean", [x], shape, axes=[2, 3], keepdims=keep)
    return net.op("ReduceMean", [x, net.ints(2, 3)], shape, keepdims=keep)


def softmax(net: Net, x: Value) -> Value | None:
    if len(x.shape) < 2 or len(x.shape) > 4:
        return None
    return net.op("Softmax", [x], x.shape, axis=int(net.random.integers(1, len(x.shape))))


def cut(net: Net, x: Value, axis: int, start: int, end: int, step: int = 1) -> Value:
    count = len(range(start, end, step))
    shape = [*x.shape[:axis], count, *x.shape[axis + 1 :]]
    stop = end if end >= 0 else -(2**31)
    return net.op("Slice", [x, *[net.ints(n) for n in (start, stop, axis, step)]], shape)


def slice_(net: Net, x: Value) -> Value | None:
    if len(x.shape) < 2:
        return None
    axis = int(net.random.integers(1, len(x.shape)))
    extent = x.shape[axis]
    if net.chance(0.2):
        return cut(net, x, axis, extent - 1, -1, -net.pick(1, 2))
    start = int(net.random.integers(0, extent))
    return cut(
        net, x, axis, start, int(net.random.integers(start + 1, extent + 1)), net.pick(1, 1, 2, 3)
    )


def pad(net: Net, x: Value) -> Value | None:
    if len(x.shape) < 2 or len(x.shape) > 4:
        return None
    pads = [0] * (2 * len(x.shape))
    for axis in range(1, len(x.shape)):
        if net.chance(0.5):
            low = -(x.shape[axis] // 3) if net.chance(0.3) else 0
            pads[axis], pads[axis + len(x.shape)] = (int(n) for n in net.random.integers(low, 4, 2))
    shape = [e + pads[a] + pads[a + len(x.shape)] for a, e in enumerate(x.shape)]
    if min(shape) < 1:
        return None
    value = [net.constant(np.float32(net.pick(0, 0, 1.5, -3)))] if net.chance(0.7) else []
    return net.op("Pad", [x, net.ints(*pads), *value], shape)


def transpose(net: Net, x: Value) -> Value | None:
    if not 3 <= len(x.shape) <= 4:
        return None
    order = [0, *(1 + net.random.permutation(len(x.shape) - 1)).tolist()]
    return net.op("Transpose", [x], [x.shape[a] for a in order], perm=order)


def reshape(net: Net, x: Value) -> Value | None:
    if len(x.shape) < 2:
        return None
    form = net.pick("flatten", "flat", "rows", "squeeze", "unsqueeze")
    count = math.prod(x.shape[1:])
    if form == "flatten":
        return net.op("Flatten", [x], (x.shape[0], count), axis=1)
    if form == "flat":
        return net.op("Reshape", [x, net.ints(0, -1)], (x.shape[0], count))
    if form == "rows" and x.is_map:
        shape = (x.channels, x.size[1], x.size[0])
        return net.op("Reshape", [x, net.ints(net.pick(0, -1), *shape)], (x.shape[0], *shape))
    if form == "squeeze" and 1 in x.shape[1:]:
        axis = 1 + x.shape[1:].index(1)
        return net.op("Squeeze", [x, net.ints(axis)], x.shape[:axis] + x.shape[axis + 1 :])
    if form == "unsqueeze" and len(x.shape) < 4:
        axis = int(net.random.integers(1, len(x.shape) + 1))
        return net.op("Unsqueeze", [x, net.ints(axis)], (*x.shape[:axis], 1, *x.shape[axis:]))
    return None


def linear(net: Net, x: Value) -> Value | None:
    outputs = net.pick(1, 2, 5, 10, 16, 33)
    if len(x.shape) != 2 or x.shape[0] * x.channels * outputs > net.macs or x.channels > 4096:
        return None
    net.macs -= x.shape[0] * x.channels * outputs
    scale = 3 / math.sqrt(x.channels)
    if net.chance(0.4):
        weights = net.floats(x.channels, outputs, low=-scale, high=scale)
        return net.op("MatMul", [x, weights], (x.shape[0], outputs))
    turned = net.pick(0, 1)
    shape = (outputs, x.channels) if turned else (x.channels, outputs)
    inputs = [x, net.floats(*shape, low=-scale, high=scale)]
    if net.chance(0.7):
        inputs.append(net.floats(*net.pick((outputs,), (1, outputs), (1,))))
    return net.op(
        "Gemm",
        inputs,
        (x.shape[0], outputs),
        transB=turned,
        alpha=float(net.pick(1, 0.5)),
        beta=float(net.pick(1, 2)),
    )


def resize(net: Net, x: Value) -> Value | None:
    if not x.is_map:
        return None
    mode = net.pick("nearest", "linear")
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": net.pick(
            "asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"
        ),
    }
    if mode == "nearest":
        attributes["nearest_mode"] = net.pick(
            "floor", "round_prefer_floor", "ceil", "round_prefer_ceil"
        )
        if attributes["coordinate_transformation_mode"] != "asymmetric":
            attributes["coordinate_transformation_mode"] = "half_pixel"
    scales = [net.pick(1, 2, 2, 3, 4, 0.5), net.pick(1, 2, 2, 3, 0.5)]
    size = [int(math.floor(e * s)) for e, s in zip(x.size, scales)]
    if min(size) < 1 or math.prod(size) * x.channels * x.shape[0] > 1 << 17:
        return None
    if net.chance(0.5):
        last = [net.constant(np.array([1, 1, *scales], np.float32))]
    elif net.symbolic:
        return None  # sizes name the batch
    else:
        last = [None, net.ints(*x.shape[:2], *size)]
    return net.op("Resize", [x, None, *last], (*x.shape[:2], *size), **attributes)


def concat(net: Net, x: Value) -> Value | None:
    if not x.is_map:
        return None
    axis = net.pick(1, 1, 1, 2, 3)
    if axis == 1:
        others = [
            conv(net, x, None, net.pick((1, 1), (3, 3)), (1, 1), None)
            for _ in range(net.pick(1, 2))
        ]
        others = [o for o in others if o is not None and o.size == x.size]
    else:
        others = [x]
    if not others:
        return None
    parts = [x, *others] if net.chance(0.7) else [*others, x]
    shape = [*x.shape[:axis], sum(p.shape[axis] for p in parts), *x.shape[axis + 1 :]]
    return net.op("Concat", parts, shape, axis=axis)


def expand(net: Net, x: Value) -> Value | None:
    if not x.is_map or 1 not in x.shape[1:]:
        return None
    target = [e if e > 1 else net.pick(1, 2, 5) for e in x.shape]
    target[0] = 1 if net.symbolic else x.shape[0]
    shape = (x.shape[0], *target[1:])
    return net.op("Expand", [x, net.ints(*target)], shape) if math.prod(shape) <= 1 << 17 else None


def passing(net: Net, x: Value) -> Value:
    kind = net.pick("Identity", "Cast", "Dropout")
    return net.op(kind, [x], x.shape, **({"to": FLOAT} if kind == "Cast" else {}))


BLOCKS = (
    conv,
    conv,
    conv,
    conv_auto_pad,
    batch_norm,
    clamp,
    clamp,
    affine,
    arithmetic,
    pool,
    global_pool,
    softmax,
    slice_,
    pad,
    transpose,
    reshape,
    linear,
    resize,
    concat,
    expand,
    passing,
)
