"""The gated layers of a graph, by the rules of runtime/passes/fuse_gate.cpp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from graph import Graph

# They move values without changing them.
SHAPERS = ("Expand", "Flatten", "Reshape", "Resize", "Slice", "Squeeze", "Transpose", "Unsqueeze")


@dataclass(frozen=True)
class Gate:
    """A convolution times a gate. `values`: the tensor that the product reads as the gate.
    `clamps`: the nodes between convolution and product. `branch`: the convolution of the LCCL
    branch, None where the gate comes from elsewhere. `output`: the gated convolution's."""

    conv: onnx.NodeProto
    clamps: tuple[onnx.NodeProto, ...]
    values: str
    branch: onnx.NodeProto | None
    output: str

    @property
    def name(self) -> str:
        return self.conv.name or self.conv.output[0]


def is_product(graph: Graph, node: onnx.NodeProto | None) -> bool:
    """Of two activations: a gated convolution, or some attention."""
    return node is not None and node.op_type == "Mul" and len(graph.activations(node)) == 2


def lower_bound(graph: Graph, node: onnx.NodeProto) -> float:
    """Of what a Relu or Clip gives."""
    if node.op_type == "Relu":
        return 0.0
    bound = graph.constant(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    return -np.inf if bound is None else float(bound.reshape(-1)[0])


def is_non_negative(graph: Graph, name: str) -> bool:
    node = graph.producer(name)
    while node is not None and (node.op_type in SHAPERS or node.op_type == "MaxPool"):
        node = graph.producer(node.input[0])
    return node is not None and node.op_type in ("Relu", "Clip") and lower_bound(graph, node) >= 0


def branch_of(graph: Graph, name: str) -> onnx.NodeProto | None:
    """The convolution that a gate comes from, through nodes with one activation each."""
    node = graph.producer(name)
    while node is not None and node.op_type != "Conv":
        activations = graph.activations(node)
        node = graph.producer(activations[0]) if len(activations) == 1 else None
    return node


def outputs_of(graph: Graph, conv: onnx.NodeProto | None) -> int:
    """Its channels; 1 where they are not known."""
    weights = None if conv is None else graph.constant(conv.input[1])
    return 1 if weights is None else weights.shape[0]


def match_side(graph: Graph, product: onnx.NodeProto, side: int) -> Gate | None:
    name, values, output = product.input[side], product.input[1 - side], product.output[0]
    before, joins = graph.producer(name), graph.readers(output)
    if (
        before is not None
        and before.op_type == "Reshape"
        and graph.is_read_once(name)
        and len(joins) == 1
        and joins[0].op_type == "Reshape"
    ):  # by groups of channels
        name, output = before.input[0], joins[0].output[0]
    clamps = []
    while graph.is_read_once(name) and (node := graph.producer(name)) is not None:
        if node.op_type == "Conv":
            branch = branch_of(graph, values)
            fits = (
                graph.has_weights(node)
                and is_non_negative(graph, values)
                and outputs_of(graph, node) % outputs_of(graph, branch) == 0
            )
            return Gate(node, tuple(clamps), values, branch, output) if fits else None
        if node.op_type not in ("Relu", "Clip"):
            break
        clamps.append(node)
        name = node.input[0]
    return None


def is_pointwise(graph: Graph, conv: onnx.NodeProto | None) -> bool:
    weights = None if conv is None else graph.constant(conv.input[1])
    return weights is not None and weights.shape[2:] == (1, 1)


def match_gate(graph: Graph, node: onnx.NodeProto | None) -> Gate | None:
    """`node` read as a gated convolution: the product, or the Reshape that ends one by groups."""
    if node is not None and node.op_type == "Reshape":
        product = graph.producer(node.input[0])
        gate = match_gate(graph, product) if is_product(graph, product) else None
        return gate if gate is not None and gate.output == node.output[0] else None
    if not is_product(graph, node):
        return None
    found = [gate for side in (0, 1) if (gate := match_side(graph, node, side)) is not None]
    if len(found) == 2:
        found = [gate for gate in found if is_pointwise(graph, gate.branch)]
    return found[0] if len(found) == 1 else None


def find_gates(graph: Graph) -> list[Gate]:
    """In the order of the graph."""
    products = [node for node in graph.nodes if is_product(graph, node)]
    return [gate for node in products if (gate := match_gate(graph, node)) is not None]
