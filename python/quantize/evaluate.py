"""Runs a network before and after: accuracy, agreement, and what its gates let through."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, shape_inference

from gates import Gate
from graph import Graph
from prepare import open_session


class Runner:
    """A network that also gives some of its inner tensors."""

    def __init__(self, model: onnx.ModelProto, names: Iterable[str] = ()) -> None:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        graph = Graph(copy)
        self.scores = graph.outputs[0]
        self._inner = list(dict.fromkeys(names))
        known = {*graph.outputs, *graph.inputs}
        copy.graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in self._inner
            if name not in known
        )
        self._images = graph.inputs[0]
        batch = copy.graph.input[0].type.tensor_type.shape.dim[0].dim_value
        self._batch = batch or None
        self._session = open_session(copy)

    def run(
        self, images: np.ndarray, others: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """The scores and the inner tensors, each [N, ...]; `others`: further inputs by name.

        A network of a fixed batch gets as many images at a time, the last ones repeated."""
        feeds = {self._images: images, **(others or {})}
        step = self._batch or len(images)
        names = [name for name in (self.scores, *self._inner) if name not in feeds]
        parts = []
        for first in range(0, len(images), step):
            part = {name: x[first : first + step] for name, x in feeds.items()}
            missing = step - len(part[self._images])
            part = {
                name: np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) if missing else x
                for name, x in part.items()
            }
            parts.append(self._session.run(names, part))
        values = {name: np.concatenate(x)[: len(images)] for name, x in zip(names, zip(*parts))}
        return values | {name: feeds[name] for name in self._inner if name in feeds}


@dataclass
class Outcome:
    """Of one network on `images` images: those whose class it finds, and the active share of each
    gate, summed over images."""

    images: int = 0
    correct: int = 0
    active: dict[str, float] = field(default_factory=dict)

    def add(
        self, gates: list[Gate], values: dict[str, np.ndarray], correct: int, count: int
    ) -> None:
        self.images += count
        self.correct += correct
        for gate in gates:
            share = float((values[gate.values] > 0).mean()) * count
            self.active[gate.name] = self.active.get(gate.name, 0.0) + share

    @property
    def accuracy(self) -> float:
        return self.correct / self.images

    @property
    def densities(self) -> dict[str, float]:
        return {name: active / self.images for name, active in self.active.items()}


@dataclass
class Comparison:
    """before, after: the two networks on the same images. equal: images of the same best class."""

    before: Outcome = field(default_factory=Outcome)
    after: Outcome = field(default_factory=Outcome)
    equal: int = 0


def compare(
    before: onnx.ModelProto,
    after: onnx.ModelProto,
    gates: list[Gate],
    batches: Iterable[tuple[np.ndarray, np.ndarray | None]],
    first: np.ndarray,
) -> Comparison:
    """`batches`: images [N, 3, H, W] and their true classes [N] or None. `first`: of each class,
    the first one of the same name, which is what counts as found."""
    maps = [gate.values for gate in gates]
    runners = [Runner(before, maps), Runner(after, maps)]
    result = Comparison()
    for images, truth in batches:
        classes = []
        for runner, outcome in zip(runners, (result.before, result.after)):
            values = runner.run(images)
            best = first[values[runner.scores].reshape(len(images), -1).argmax(axis=1)]
            correct = 0 if truth is None else int((best == truth).sum())
            outcome.add(gates, values, correct, len(images))
            classes.append(best)
        result.equal += int((classes[0] == classes[1]).sum())
    return result


def count_macs(graph: Graph) -> dict[str, int]:
    """Multiply-accumulates (MACs) per image of every layer with weights whose shapes are known, by
    the name of its output. A padded border counts like any other position."""
    inferred = shape_inference.infer_shapes(graph.model).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*inferred.value_info, *inferred.output]
    }
    macs = {}
    for node in graph.nodes:
        extents = shapes.get(node.output[0], [0])[1:]
        if graph.has_weights(node) and all(extents):
            weights = graph.constant(node.input[1])
            taps = weights[0].size if node.op_type == "Conv" else weights.size // extents[-1]
            macs[node.output[0]] = math.prod(extents) * taps
    return macs


def macs_cut(macs: dict[str, int], gates: list[Gate], densities: dict[str, float]) -> float:
    """The share of the dense network's MACs that gates skip, less what their LCCL branches cost."""
    branches = {gate.branch.output[0] for gate in gates if gate.branch is not None}
    paid = sum(macs.get(name, 0) for name in branches)
    skipped = sum(macs.get(gate.conv.output[0], 0) * (1 - densities[gate.name]) for gate in gates)
    return (skipped - paid) / (sum(macs.values()) - paid)
