"""The tensors that are held as u8: where Q and DQ stand.

Sluice computes a convolution with its activation, its gate, a shift and a residual as one layer and
rounds once, at the end. So a tensor is a boundary where a layer with weights reads it, or a sum as
its residual; none lies between a convolution, its gate and the sum that its layer takes in. Gates
are no boundaries: the runtime holds gate maps as float32 whatever the file says, so that rounding
them would save nothing and skip the smallest.

A sum that a gated layer takes in has the numbers of its residual, where a skipped output is the
residual as it is. The runtime then writes the sum over the residual, and nothing where it skips.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from gates import is_non_negative, match_gate, outputs_of
from graph import Graph, attribute

CLAMPS = ("Relu", "Clip")
# Element by element, of one activation and constants.
ELEMENTWISE = (
    *CLAMPS,
    "Add",
    "BatchNormalization",
    "Div",
    "HardSigmoid",
    "LeakyRelu",
    "Mul",
    "Sigmoid",
    "Sub",
)
# They copy, choose or average: the output has the numbers (scale and zero point) of the input.
KEEPERS = (
    "AveragePool",
    "Concat",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "ReduceMean",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)


@dataclass(frozen=True)
class Boundaries:
    """sources: of each tensor, in the order of the graph, the tensors whose ranges together give
    its scale and zero point. Tensors with the same sources share those."""

    sources: dict[str, frozenset[str]]

    @property
    def calibrated(self) -> list[str]:
        """The tensors whose ranges are needed, in the order of the graph."""
        needed = frozenset().union(*self.sources.values())
        return [name for name in self.sources if name in needed]


def keeps_numbers(graph: Graph, node: onnx.NodeProto | None) -> bool:
    if node is None:
        return False
    if node.op_type == "Resize":
        return attribute(node, "mode", "nearest") == "nearest"
    if node.op_type == "Pad":
        if len(node.input) < 3 or not node.input[2]:
            return True
        fill = graph.constant(node.input[2])
        return fill is not None and not fill.any()
    return node.op_type in KEEPERS


def is_sum(graph: Graph, node: onnx.NodeProto) -> bool:
    return node.op_type == "Add" and len(graph.activations(node)) == 2


def is_elementwise(graph: Graph, node: onnx.NodeProto) -> bool:
    return node.op_type in ELEMENTWISE and len(graph.activations(node)) == 1


def taker_of(graph: Graph, name: str) -> tuple[bool, int] | None:
    """Whether the convolution that a sum can take `name` from is gated, and its place; None where
    there is none. What stands behind it must precede a residual: clamp, gate, shift, in this order.
    """
    is_clamped = False
    while graph.is_read_once(name) and (node := graph.producer(name)) is not None:
        gate = match_gate(graph, node)
        if gate is not None:
            return None if is_clamped else (True, graph.place(gate.conv))
        if node.op_type == "Conv":
            return (False, graph.place(node)) if graph.has_weights(node) else None
        if node.op_type in CLAMPS:
            is_clamped = True
        elif is_clamped or not is_elementwise(graph, node):
            return None
        name = graph.activations(node)[0]
    return None


def residuals_of(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """What a sum reads as u8: all but the operand of the convolution that takes the sum in."""
    takers = {name: taker for name in node.input if (taker := taker_of(graph, name)) is not None}
    if not takers:
        return list(node.input)
    taken = max(takers, key=lambda name: takers[name])  # a gated one, else the later one
    return [name for name in node.input if name != taken]


def skipped_as(graph: Graph, name: str) -> list[str]:
    """The residual that a tensor equals wherever a gate skips its layer; none where it may differ."""
    node = graph.producer(name)
    clamped = node is not None and node.op_type == "Relu"
    if clamped:
        name = node.input[0]
        node = graph.producer(name)
        if not graph.is_read_once(name):
            return []
    if node is None or not is_sum(graph, node):
        return []
    residuals = residuals_of(graph, node)
    taken = [x for x in node.input if x not in residuals]
    gate = match_gate(graph, graph.producer(taken[0])) if len(taken) == 1 else None
    skips_positions = gate is not None and outputs_of(graph, gate.branch) == 1
    unchanged = len(residuals) == 1 and (not clamped or is_non_negative(graph, residuals[0]))
    return residuals if skips_positions and unchanged else []


class Finder:
    """Walks back from what layers with weights read."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._keeps: dict[str, list[str]] = {}  # a boundary, and those whose numbers it has
        self._skips: dict[str, list[str]] = {}  # and those that it is where its gate skips
        for node in graph.nodes:
            if graph.has_weights(node):
                self._demand(node.input[0])

    def _demand(self, name: str) -> None:
        pending = [name]
        while pending:
            name = pending.pop()
            if name in self._keeps:
                continue
            node = self._graph.producer(name)
            is_gated = match_gate(self._graph, node) is not None
            keeps = not is_gated and keeps_numbers(self._graph, node)
            self._keeps[name] = self._graph.activations(node) if keeps else []
            pending += self._keeps[name] if keeps else self._residuals_behind(name)
            self._skips[name] = skipped_as(self._graph, name)

    def _residuals_behind(self, name: str) -> list[str]:
        """What the layer that writes `name` adds."""
        graph = self._graph
        while (node := graph.producer(name)) is not None:
            if is_sum(graph, node):
                residuals = residuals_of(graph, node)
                rest = [x for x in node.input if x not in residuals]
                return residuals + (self._residuals_behind(rest[0]) if rest else [])
            if not is_elementwise(graph, node):
                return []
            name = graph.activations(node)[0]
        return []

    def find(self) -> Boundaries:
        """Tensors that keep each other's numbers have them in common, as concatenated ones do, and so
        have those of a residual and its sum."""
        group = {name: frozenset([name]) for name in self._keeps}
        for name, kept in self._keeps.items():
            merged = group[name].union(*(group[x] for x in [*kept, *self._skips[name]]))
            group.update((member, merged) for member in merged)
        order = [*self._graph.inputs, *(x for node in self._graph.nodes for x in node.output)]
        roots = {name for name, kept in self._keeps.items() if not kept}
        return Boundaries({name: group[name] & roots for name in order if name in self._keeps})


def find_boundaries(graph: Graph) -> Boundaries:
    return Finder(graph).find()
