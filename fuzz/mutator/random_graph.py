"""Random graphs, valid by construction: chains and diamonds of blocks over random shapes."""

from __future__ import annotations

import math

import numpy as np
import onnx

from blocks import BLOCKS, conv, width
from gates import GATED
from net import Net, Value
from operators import OPERATORS
from windows import WINDOWS

ALL = BLOCKS + WINDOWS + OPERATORS

MACS = 6_000_000
MOST_ELEMENTS = 1 << 17
EXTENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 16, 17, 20, 24, 31, 32, 33, 40)


def start(random: np.random.Generator) -> tuple[Net, Value]:
    symbolic = random.random() < 0.4
    net = Net(random, MACS, int(random.integers(13, 23)), 1, symbolic)
    if net.chance(0.4):
        net.batch = net.pick(2, 3)
    if net.chance(0.06):
        return net, net.input(net.pick(1, 7, 30, 64, 200))
    return net, net.input(net.pick(1, 3, 3, width(net)), net.pick(*EXTENTS), net.pick(*EXTENTS))


def grow(net: Net, x: Value, kinds: tuple) -> Value:
    """One more block on x, or x itself where none fits."""
    for _ in range(4):
        y = net.pick(*kinds)(net, x)
        if y is not None and math.prod(y.shape) <= MOST_ELEMENTS and len(y.shape) <= 5:
            return y
    return x


def diamond(net: Net, x: Value) -> Value:
    """Two ways from x that meet: as a sum or product where their shapes agree, else as a Concat."""
    a, b = grow(net, x, ALL + GATED), grow(net, x, ALL + GATED)
    if a.shape == b.shape and a.name != b.name:
        return net.op(net.pick("Add", "Sub", "Mul"), [a, b], a.shape)
    if a.is_map and b.is_map and a.size == b.size and a.name != b.name:
        return net.op("Concat", [a, b], (a.shape[0], a.channels + b.channels, *a.size), axis=1)
    return a


def random_graph(random: np.random.Generator, blocks: int | None = None) -> onnx.ModelProto:
    """A graph of some blocks; perhaps two inputs, perhaps values on the way as further outputs."""
    net, x = start(random)
    y = x
    if x.is_map and net.chance(0.15):
        other = net.input(*x.shape[1:])
        y = net.op(net.pick("Add", "Sub", "Mul"), [x, other], x.shape)
    seen = []
    for _ in range(blocks or int(random.integers(2, 9))):
        y = diamond(net, y) if net.chance(0.2) else grow(net, y, ALL + GATED * 3)
        seen.append(y)
    if y.name == x.name:
        y = net.op("Relu", [x], x.shape)
    extra = [v for v in seen[:-1] if net.chance(0.12) and v.name not in (y.name, x.name)]
    outputs = list({v.name: v for v in [y, *extra]}.values())
    return net.finish(outputs)


def seed_graph(random: np.random.Generator) -> onnx.ModelProto:
    """A small graph around one block: what mutations start from."""
    net, x = start(random)
    if x.is_map and net.chance(0.5):
        x = conv(net, x, None, (1, 1), (1, 1), [0] * 4) or x
    y = grow(net, x, ALL + GATED * 3)
    if y.is_map and net.chance(0.4):
        y = grow(net, y, (conv,))
    if y.name.startswith("x"):
        y = net.op("Relu", [y], y.shape)
    return net.finish([y])
