"""The convolutions of a model, with what the passes of runtime/passes fold into each of them.

Where a pass looks at numbers, this does not: a BatchNormalization scales and shifts, whatever its
parameters, and weights are finite. tests/layers compares the result with the planner's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import onnx

from model import Model, attribute

WHOLE_MAP = 1 << 16  # more than any map has outputs along a side
MOST_IMAGE_CHANNELS = 4  # as in runtime/plan/lower_pointwise.cpp
KEEPS_SIGN = {"Resize", "MaxPool", "Reshape", "Expand", "Slice", "Transpose", "Unsqueeze", "Squeeze",
              "Flatten"}


@dataclass(frozen=True)
class Clamp:
    low: float = -math.inf
    high: float = math.inf

    def then(self, other: Clamp) -> Clamp:
        return Clamp(*(min(max(v, other.low), other.high) for v in (self.low, self.high)))

    @property
    def is_none(self) -> bool:
        return self == Clamp()

    @property
    def is_relu(self) -> bool:
        return self.low == 0 and self.high >= np.finfo(np.float32).max

    @property
    def is_non_negative(self) -> bool:
        return self.low >= 0 and self.high >= 0


@dataclass(frozen=True)
class Affine:
    """y = clamp(scale * x + shift)."""

    x: str
    scales: bool = False
    shifts: bool = False
    clamp: Clamp = Clamp()

    @property
    def only_clamps(self) -> bool:
        return not self.scales and not self.shifts


@dataclass
class Layer:
    """A FusedConv of runtime/graph/graph.h."""

    name: str
    x: str
    output: str
    kernel: list[int]
    strides: list[int]
    pads: list[int]
    input: list[int]  # rows and columns with the padding
    extents: list[int]  # of the output
    channels: int
    outputs: int
    is_packed: bool  # the input has no lanes beside its channels
    act: Clamp = Clamp()
    post: Clamp = Clamp()
    scales: bool = False  # behind the activation
    shifts: bool = False
    has_residual: bool = False
    maps: int = 0  # of the gate; 0: dense
    grid: int = 1  # outputs along each side that a value of the gate governs; WHOLE_MAP: all
    reads_gated: bool = False  # another layer's gate has left the input constant in places

    @property
    def is_bare(self) -> bool:
        """Nothing but a clamp follows the sums."""
        return not (self.maps or self.has_residual or self.scales or self.shifts)

    @property
    def gives_non_negative(self) -> bool:
        clamp = self.act if self.post.is_none and self.is_bare else self.post
        return clamp.is_non_negative

    @property
    def leaves_constant(self) -> bool:
        """Whether what the gate leaves of the output is one value per channel."""
        return self.maps == 1 and self.grid < 4 and not self.has_residual

    @property
    def has_single_clamp(self) -> bool:
        """As single_clamp of runtime/plan/conv/winograd.cpp."""
        if self.act.is_none:
            return True
        is_last = not (self.has_residual or self.scales or self.shifts)
        return is_last and (self.act.is_relu or not self.maps)

    def absorb(self, affine: Affine) -> bool:
        """As runtime/passes/fold_affine.cpp."""
        if not self.post.is_none:
            if affine.only_clamps:
                self.post = self.post.then(affine.clamp)
            return affine.only_clamps
        if self.is_bare and (affine.only_clamps or self.act.is_none):
            self.act = self.act.then(affine.clamp)
            return True
        self.scales |= affine.scales
        self.shifts |= affine.shifts
        self.post = affine.clamp
        return True


def bound(model: Model, node: onnx.NodeProto, index: int, name: str, fallback: float) -> float:
    if len(node.input) > index and node.input[index]:
        value = model.value(node.input[index])
        return math.nan if value is None else float(value.reshape(-1)[0])
    return attribute(node, name, fallback)


def is_per_channel(model: Model, constant: str, output: str) -> bool:
    shape, whole = model.shape(constant), model.shape(output)
    if shape is None or whole is None or len(shape) > len(whole):
        return False
    missing = len(whole) - len(shape)
    return all(extent == 1 or (axis + missing == 1 and extent == whole[1])
               for axis, extent in enumerate(shape))


def affine_of(model: Model, node: onnx.NodeProto) -> Affine | None:
    """As runtime/passes/make_affine.cpp."""
    x = node.input[0] if node.input else ""
    if node.op_type == "Relu":
        return Affine(x, clamp=Clamp(0))
    if node.op_type == "Clip":
        largest = float(np.finfo(np.float32).max)
        clamp = Clamp(bound(model, node, 1, "min", -largest), bound(model, node, 2, "max", largest))
        return None if math.isnan(clamp.low + clamp.high) else Affine(x, clamp=clamp)
    if node.op_type == "HardSigmoid":
        return Affine(x, scales=True, shifts=True, clamp=Clamp(0, 1))
    if node.op_type == "BatchNormalization":
        return Affine(x, scales=True, shifts=True)
    if node.op_type not in ("Add", "Sub", "Mul", "Div"):
        return None
    place = 1 if node.input[0] in model.constants else 0
    x, constant = node.input[place], node.input[1 - place]
    if (constant not in model.constants or not is_per_channel(model, constant, node.output[0])
            or model.shape(x) != model.shape(node.output[0])):
        return None
    if node.op_type in ("Add", "Sub"):
        return Affine(x, scales=node.op_type == "Sub" and place == 1, shifts=True)
    return None if node.op_type == "Div" and place == 1 else Affine(x, scales=True)


def zero_border(model: Model, node: onnx.NodeProto) -> list[int] | None:
    """As runtime/passes/fold_padding.cpp: {top, left, bottom, right}."""
    if node.op_type != "Pad" or attribute(node, "mode", "constant") != "constant":
        return None
    pads = model.value(node.input[1]) if len(node.input) > 1 else None
    fill = model.value(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
    has_axes = len(node.input) > 3 and node.input[3] != ""
    if pads is None or pads.size != 8 or fill is None or fill.any() or has_axes:
        return None
    p = [int(v) for v in pads]
    return [p[2], p[3], p[6], p[7]] if min(p) >= 0 and not any(p[i] for i in (0, 1, 4, 5)) else None


def is_fused_conv(model: Model, node: onnx.NodeProto) -> bool:
    """As runtime/passes/make_fused_conv.cpp, and the shapes are known."""
    if node.op_type != "Conv" or node.input[1] not in model.constants:
        return False
    weights, y = model.shape(node.input[1]), model.shape(node.output[0])
    return (weights is not None and len(weights) == 4 and y is not None
            and model.shape(node.input[0]) is not None)


def is_conv(model: Model, node: onnx.NodeProto) -> bool:
    """One that kernels of given channels take."""
    return (is_fused_conv(model, node) and attribute(node, "group", 1) == 1
            and list(attribute(node, "dilations", [1, 1])) == [1, 1])


def pads_of(node: onnx.NodeProto, x: list[int], y: list[int], kernel: list[int],
            strides: list[int]) -> list[int]:
    automatic = attribute(node, "auto_pad", "NOTSET")
    if automatic == "NOTSET":
        return list(attribute(node, "pads", [0, 0, 0, 0]))
    pads = [0, 0, 0, 0]
    for axis in range(2 if automatic != "VALID" else 0):
        total = max((y[axis] - 1) * strides[axis] + kernel[axis] - x[axis], 0)
        small = total // 2
        pads[axis] = small if automatic == "SAME_UPPER" else total - small
        pads[axis + 2] = total - pads[axis]
    return pads


def only_convolved(model: Model, name: str) -> bool:
    def convolves(node: onnx.NodeProto) -> bool:
        if is_fused_conv(model, node):
            return node.input[0] == name
        is_border = zero_border(model, node) is not None
        return is_border and only_convolved(model, node.output[0])

    return name not in model.outputs and all(convolves(node) for node in model.readers(name))


@dataclass
class Walk:
    """One pass over a model in topological order."""

    model: Model
    layers: list[Layer] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # convolutions whose shapes are not known
    _owners: dict[str, Layer] = field(default_factory=dict)  # of the values that layers write
    _non_negative: set[str] = field(default_factory=set)
    _done: set[str] = field(default_factory=set)  # outputs of nodes that another has taken over

    def run(self) -> Walk:
        for node in self.model.nodes:
            if node.output[0] not in self._done:
                self._visit(node)
        return self

    def _visit(self, node: onnx.NodeProto) -> None:
        affine = affine_of(self.model, node)
        if is_conv(self.model, node):
            self._add_layer(node)
        elif node.op_type == "Conv":
            self.unknown.append(node.name or node.output[0])
        elif affine is not None:
            self._visit_affine(node, affine)
        elif node.op_type == "Mul":
            self._visit_product(node)
        elif node.op_type == "Add":
            self._visit_sum(node)
        elif node.op_type in KEEPS_SIGN and self._is_non_negative(node.input[0]):
            self._non_negative.add(node.output[0])

    def _is_non_negative(self, name: str) -> bool:
        owner = self._owners.get(name)
        return name in self._non_negative or (owner is not None and owner.gives_non_negative)

    def _add_layer(self, node: onnx.NodeProto) -> None:
        model = self.model
        weights, y = model.shape(node.input[1]), model.shape(node.output[0])
        kernel, strides = weights[2:], list(attribute(node, "strides", [1, 1]))
        x = node.input[0]
        pads = pads_of(node, model.shape(x)[2:], y[2:], kernel, strides)
        before = model.producer(x)
        border = zero_border(model, before) if before is not None else None
        if border is not None:
            pads = [pad + more for pad, more in zip(pads, border)]
            x = before.input[0]
        height, width = model.shape(x)[2:]
        writer = self._owners.get(x)
        layer = Layer(node.name or node.output[0], x, node.output[0], kernel, strides, pads,
                      [pads[0] + height + pads[2], pads[1] + width + pads[3]], y[2:], weights[1],
                      weights[0], self._is_packed(x, weights[1]),
                      reads_gated=writer is not None and writer.leaves_constant)
        self.layers.append(layer)
        self._owners[layer.output] = layer

    def _is_packed(self, x: str, channels: int) -> bool:
        """As Layouts::allocate_input and lower_affine of runtime/plan."""
        before = self.model.producer(x)
        is_normalised = (before is not None and x not in self._owners
                         and channels <= MOST_IMAGE_CHANNELS
                         and affine_of(self.model, before) is not None)
        return (x in self.model.inputs or is_normalised) and only_convolved(self.model, x)

    def _extend(self, layer: Layer, output: str) -> None:
        layer.output = output
        self._owners[output] = layer

    def _visit_affine(self, node: onnx.NodeProto, affine: Affine) -> None:
        layer = self._owners.get(affine.x)
        if layer is not None and self.model.is_read_once(affine.x) and layer.absorb(affine):
            self._extend(layer, node.output[0])
        elif affine.clamp.is_non_negative or (
                affine.only_clamps and affine.clamp.high >= 0 and affine.x in self._non_negative):
            self._non_negative.add(node.output[0])

    def _visit_sum(self, node: onnx.NodeProto) -> None:
        """As runtime/passes/fuse_residual.cpp."""
        model = self.model
        takers = []
        for x, other in (node.input[:2], node.input[1::-1]):
            layer = self._owners.get(x)
            if (layer is not None and model.is_read_once(x) and layer.post.is_none
                    and not layer.has_residual and other not in model.constants
                    and model.shape(x) == model.shape(other)):
                takers.append(layer)
        if takers:
            # A gated one, else the later one.
            layer = max(takers, key=lambda taker: (taker.maps > 0, self.layers.index(taker)))
            layer.has_residual = True
            self._extend(layer, node.output[0])

    def _visit_product(self, node: onnx.NodeProto) -> None:
        """As runtime/passes/fuse_gate.cpp."""
        matches = [match for match in (self._match(node, 0), self._match(node, 1)) if match]
        if len(matches) == 2:
            pointwise = [match for match in matches if self._is_pointwise(match[1])]
            matches = pointwise if len(pointwise) == 1 else []
        if matches:
            layer, gate, result = matches[0]
            layer.maps = self.model.shape(gate)[1]
            layer.grid = self._grid_of(gate, layer) if layer.maps == 1 else 1
            self._done.add(result)
            self._extend(layer, result)

    def _match(self, node: onnx.NodeProto, side: int) -> tuple[Layer, str, str] | None:
        """The layer, the gate's maps, and the output of the product that the layer takes over."""
        model = self.model
        conv, gate, result = node.input[side], self._maps(node.input[1 - side]), node.output[0]
        if len(model.shape(result) or []) == 5:  # by blocks of channels, between two Reshapes
            split, joins = model.producer(conv), model.readers(result)
            if split is None or split.op_type != "Reshape" or not model.is_read_once(conv) or (
                    len(joins) != 1 or joins[0].op_type != "Reshape"):
                return None
            conv, result = split.input[0], joins[0].output[0]
        layer = self._owners.get(conv)
        y, g = model.shape(conv), model.shape(gate)
        is_open = (layer is not None and model.is_read_once(conv) and layer.maps == 0
                   and not layer.has_residual and layer.post.is_none and not layer.shifts)
        fits = (y is not None and g is not None and len(y) == len(g) == 4
                and model.shape(result) == y and g[0] == y[0] and y[1] % g[1] == 0
                and (g[2:] == y[2:] or g[1:] == [1, 1, 1]))
        return (layer, gate, result) if is_open and fits and self._is_non_negative(gate) else None

    def _maps(self, gate: str) -> str:
        """A gate before it is repeated for the channels of its groups."""
        first = gate
        node = self.model.producer(gate)
        while node is not None and node.op_type in ("Reshape", "Expand", "Unsqueeze"):
            gate = node.input[0]
            node = self.model.producer(gate)
        shape, whole = self.model.shape(gate), self.model.shape(first)
        is_map = shape and whole and len(shape) == 4 and (
            shape[2:] == whole[-2:] or shape[1:] == [1, 1, 1])
        return gate if is_map else first

    def _is_pointwise(self, gate: str) -> bool:
        layer = self._owners.get(gate)
        return layer is not None and layer.kernel == [1, 1]

    def _grid_of(self, gate: str, layer: Layer) -> int:
        """As runtime/passes/fold_gate_grid.cpp: enlargements, each perhaps cut."""
        side = 1
        while (node := self._before_slice(gate)) is not None and node.op_type == "Resize" and attribute(
                node, "mode", "nearest") == "nearest":
            small, large = self.model.shape(node.input[0]), self.model.shape(node.output[0])
            times = large[2] // small[2] if small and large else 0
            is_one = small is not None and small[2:] == [1, 1]
            if not is_one and (times < 2 or large[2:] != [times * extent for extent in small[2:]]):
                break
            gate, side = node.input[0], side * times
        is_whole = self.model.shape(gate)[2:] == [1, 1] and layer.extents != [1, 1]
        return WHOLE_MAP if is_whole else side

    def _before_slice(self, name: str) -> onnx.NodeProto | None:
        node = self.model.producer(name)
        return self.model.producer(node.input[0]) if node is not None and node.op_type == "Slice" else node
