"""Gated layers, y = act(conv(x)) * g(branch(x)), in every form that a plan knows."""

from __future__ import annotations

import numpy as np

from blocks import batch_norm, conv
from net import Net, Value

FORMS = ("position", "position_1x1", "group", "repeated_group", "element", "tile", "pooled")
POINT = ((1, 1), (1, 1), [0] * 4)
TILE = 4
WHOLE_MAP = 0
GRAINS = (1, 1, 2, 3, 4, 8, WHOLE_MAP)


def gate(net: Net, branch: Value) -> Value:
    """g: clamped at zero; the shift decides what share of the gates is active, from none to all."""
    shift = net.pick(-50, -1, -0.5, 0, 0, 0, 0.5, 50)
    if shift:
        branch = net.op("Add", [branch, net.constant(np.float32(shift))], branch.shape)
    if net.chance(0.5):
        return net.op("Relu", [branch], branch.shape)
    bounds = [net.constant(np.float32(v)) for v in (0, 1)]
    return net.op("Clip", [branch, *bounds], branch.shape)


def enlarged(net: Net, small: Value, by: int, size: tuple[int, ...]) -> Value:
    shape = (*small.shape[:2], small.size[0] * by, small.size[1] * by)
    scales = net.constant(np.array([1, 1, by, by], np.float32))
    wide = net.op(
        "Resize",
        [small, None, scales],
        shape,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    if wide.size == size:
        return wide
    bounds = [net.ints(0, 0), net.ints(*size), net.ints(2, 3)]
    return net.op("Slice", [wide, *bounds], (*small.shape[:2], *size))


def tiled(net: Net, x: Value, y: Value, stride: int, tile: int) -> Value | None:
    """A gate for every tile x tile outputs: the largest input values, a 1x1 branch, enlargement."""
    side = tile * stride
    size = [-(-extent // side) for extent in x.size]
    window = {"kernel_shape": [side] * 2, "strides": [side] * 2, "ceil_mode": 1}
    pooled = net.op("MaxPool", [x], (*x.shape[:2], *size), **window)
    branch = conv(net, pooled, 1, *POINT)
    return None if branch is None else enlarged(net, gate(net, branch), tile, y.size)


def by_group(net: Net, y: Value, maps: Value) -> Value:
    """Each of the maps times its block of y's channels, through five extents."""
    n, channels, (height, width) = y.shape[0], y.channels, y.size
    each = channels // maps.channels
    split = (n, maps.channels, each, height, width)
    batch = -1 if net.symbolic else n
    blocks = net.op("Reshape", [y, net.ints(batch, *split[1:])], split)
    narrow = net.op("Unsqueeze", [maps, net.ints(2)], (n, maps.channels, 1, height, width))
    product = net.op("Mul", [blocks, narrow], split)
    return net.op("Reshape", [product, net.ints(batch, *y.shape[1:])], y.shape)


def repeated(net: Net, maps: Value, channels: int) -> Value:
    """[N, G, H, W] as [N, channels, H, W], each map as often as its block has channels."""
    n, (height, width) = maps.shape[0], maps.size
    each = channels // maps.channels
    narrow = net.op("Unsqueeze", [maps, net.ints(2)], (n, maps.channels, 1, height, width))
    wide = net.op(
        "Expand", [narrow, net.ints(1, 1, each, 1, 1)], (n, maps.channels, each, height, width)
    )
    batch = -1 if net.symbolic else n
    return net.op(
        "Reshape", [wide, net.ints(batch, channels, height, width)], (n, channels, height, width)
    )


def gated(net: Net, x: Value, form: str | None = None, outputs: int | None = None) -> Value | None:
    """A gated convolution with, perhaps, an activation, a norm, a residual and a last clamp."""
    if not x.is_map or min(x.size) < 2:
        return None
    form = form or net.pick(*FORMS)
    outputs = outputs or net.pick(1, 3, 8, 16, 16, 17, 32, 32, 40, 64)
    groups = net.pick(2, 4)
    if "group" in form:
        outputs = -(-outputs // groups) * groups
    stride = net.pick(1, 1, 1, 2)
    side = net.pick(1, 3, 3, 3, 5)
    shape = ((side, side), (stride, stride), [side // 2] * 4)
    y = conv(net, x, outputs, *shape)
    if y is None:
        return None
    if net.chance(0.3):
        y = net.op("Relu", [y], y.shape)
    if form in ("tile", "pooled"):
        g = tiled(net, x, y, stride, TILE if form == "tile" else 2)
    else:
        maps = {"position": 1, "position_1x1": 1, "element": outputs}.get(form, groups)
        branch_shape = shape if form == "position" else ((1, 1), (stride, stride), [0] * 4)
        branch = conv(net, x, maps, *branch_shape)
        if branch is None or branch.size != y.size:
            return None
        g = gate(net, batch_norm(net, branch) if net.chance(0.5) else branch)
        g = repeated(net, g, outputs) if form == "repeated_group" else g
    if g is None:
        return None
    y = by_group(net, y, g) if form == "group" else net.op("Mul", net.pick([y, g], [g, y]), y.shape)
    if net.chance(0.5):
        y = batch_norm(net, y)
    if net.chance(0.5):
        short = (
            x
            if x.shape == y.shape and net.chance(0.7)
            else conv(net, x, outputs, (1, 1), (stride, stride), [0] * 4)
        )
        if short is not None and short.shape == y.shape:
            y = net.op("Add", net.pick([y, short], [short, y]), y.shape)
    return net.op("Relu", [y], y.shape) if net.chance(0.5) else y


def chain(net: Net, x: Value) -> Value | None:
    """Gated layers in a row, so that the later ones read skipped positions."""
    width = net.pick(13, 16, 32, 64)
    y = conv(net, x, width, (1, 1), (1, 1), [0] * 4)
    for _ in range(net.pick(2, 3)):
        y = None if y is None else gated(net, y, net.pick("position", "position", "tile"), width)
    return y


def block_gate(net: Net, x: Value, stride: int, grain: int) -> Value | None:
    """The gate of a block that reads x, before it is repeated."""
    if grain == WHOLE_MAP:
        x, shape = net.op("GlobalAveragePool", [x], (*x.shape[:2], 1, 1)), POINT
    elif grain == 1:
        shape = ((3, 3), (stride, stride), [1] * 4)
    else:
        side = grain * stride
        size = [-(-extent // side) for extent in x.size]
        window = {"kernel_shape": [side] * 2, "strides": [side] * 2, "ceil_mode": 1}
        x, shape = net.op("MaxPool", [x], (*x.shape[:2], *size), **window), ((3, 3), (1, 1), [1] * 4)
    branch = conv(net, x, 1, *shape)
    return None if branch is None else gate(net, branch)


def under(net: Net, y: Value, g: Value, times: int) -> Value:
    """y times a gate of which each value is for times x times outputs, or one for all of them."""
    if times == WHOLE_MAP:
        channels = net.pick(0, 1, y.channels)
        if channels:
            to = (1, channels, *y.size)
            g = net.op("Expand", [g, net.ints(*to)], (y.shape[0], *to[1:]))
    elif times > 1:
        g = enlarged(net, g, times, y.size)
    return net.op("Mul", net.pick([y, g], [g, y]), y.shape)


def block(net: Net, x: Value) -> Value | None:
    """A residual block, two or three convolutions under one gate."""
    if not x.is_map or min(x.size) < 2:
        return None
    stride, grain, outputs = net.pick(1, 1, 2), net.pick(*GRAINS), net.pick(x.channels, 16, 17)
    g, y, before_stride = block_gate(net, x, stride, grain), x, stride
    sides = net.pick((3, 3), (1, 3, 1))
    for place, side in enumerate(sides):
        is_last = place == len(sides) - 1
        step = before_stride if side == 3 else 1
        before_stride //= step
        width = outputs if is_last else net.pick(8, 16, 16, 24)
        y = conv(net, y, width, (side, side), (step, step), [side // 2] * 4)
        if y is None or g is None:
            return None
        y = y if is_last else net.op("Relu", [y], y.shape)
        y = under(net, y, g, grain * before_stride)
    short = x if x.shape == y.shape else conv(net, x, outputs, (1, 1), (stride, stride), [0] * 4)
    if short is None:
        return None
    y = net.op("Add", net.pick([y, short], [short, y]), y.shape)
    return net.op("Relu", [y], y.shape) if net.chance(0.7) else y


GATED = (gated, gated, gated, chain, block, block)
