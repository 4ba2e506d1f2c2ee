"""What mutations draw from: numbers at which code turns, and parts of a model."""

from __future__ import annotations

import numpy as np
import onnx

SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, -1, -2)
EXTREME = (2**24, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, -(2**31), -(2**63))


def pick(random: np.random.Generator, choices):
    return choices[int(random.integers(len(choices)))]


def some_number(random: np.random.Generator, old: int) -> int:
    """Near the old one, else small, else extreme; an int64."""
    form = random.random()
    if form < 0.5:
        new = old + pick(random, (-2, -1, 1, 1, 2))
    else:
        new = pick(random, SMALL if form < 0.9 else EXTREME)
    return max(min(int(new), 2**63 - 1), -(2**63))


def some_node(random: np.random.Generator, model: onnx.ModelProto) -> onnx.NodeProto | None:
    return pick(random, model.graph.node) if model.graph.node else None


def some_weights(random: np.random.Generator, model: onnx.ModelProto) -> onnx.TensorProto | None:
    return pick(random, model.graph.initializer) if model.graph.initializer else None


def values_of(model: onnx.ModelProto) -> list[str]:
    """Names of inputs and of what nodes write; one empty name where there is none."""
    found = [value.name for value in model.graph.input]
    found += [output for node in model.graph.node for output in node.output]
    return [name for name in found if name] or [""]


def set_nodes(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    """Replaces the nodes; the new ones may be some of the old, and the same one twice."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
