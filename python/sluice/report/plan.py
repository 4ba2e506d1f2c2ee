"""The plan as a graph: a box for each layer, with the steps that compute it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from .._errors import failure
from .._tensors import Step
from .classified import GatedLayer
from .times import Times

_KINDS = json.loads(resources.files(__package__).joinpath("kinds.json").read_text(encoding="utf-8"))
WORDS = {algorithm: words for of_kind in _KINDS.values() for algorithm, words in of_kind.items()}
KIND_OF = {algorithm: kind for kind, of_kind in _KINDS.items() for algorithm in of_kind}
# A box is of the first of these that a step of it is of.
PRECEDENCE = list(_KINDS)


@dataclass
class Box:
    """Steps of one ONNX node that follow each other. first: number of the first in the plan."""

    first: int
    node: str
    short: str
    steps: list[Step] = field(default_factory=list)
    microseconds: list[float] = field(default_factory=list)
    """Of each step; empty where the plan was not timed."""
    density: float | None = None
    """Of the gate over all images; None without one."""

    @property
    def kind(self) -> str:
        return min((KIND_OF[step.algorithm] for step in self.steps), key=PRECEDENCE.index)

    @property
    def main_steps(self) -> list[Step]:
        return [step for step in self.steps if KIND_OF[step.algorithm] == self.kind]

    @property
    def id(self) -> str:
        return f"step_{self.first}"


def boxes_of(steps: Sequence[Step], layers: Sequence[GatedLayer], times: Times) -> list[Box]:
    """Raises Error where the times are of another plan."""
    timed = [(node, kernel) for node, kernel, _ in times.steps]
    if timed != [(step.node, step.kernel) for step in steps]:
        raise failure("the benchmark timed another plan", "name the instruction set with --target")
    boxes: list[Box] = []
    for number, step in enumerate(steps):
        if not boxes or boxes[-1].node != step.node:
            boxes.append(Box(number, step.node, step.node))
        boxes[-1].steps.append(step)
        boxes[-1].microseconds.append(times.steps[number][2].middle)
    densities = {layer.name: layer.mean for layer in layers}
    for box in boxes:
        box.short = _readable(box.node)
        if box.kind == "convolution":
            box.density = densities.get(box.node)
    return boxes


def _readable(node: str) -> str:
    """Without what PyTorch's exporter repeats: "blocks.1/conv1" of "/blocks/blocks.1/conv1/Conv"."""
    parts = node.strip("/").split("/")
    kept = [part for part, after in zip(parts, [*parts[1:], ""]) if not after.startswith(part + ".")]
    if len(kept) > 1 and kept[-1].isalpha() and kept[-1][0].isupper():
        kept.pop()  # the operator
    return "/".join(kept)


@dataclass(frozen=True)
class Edge:
    """From box to box, by their numbers; a model's input or output has its name instead."""

    tail: str
    head: str
    of_gate: bool


def edges_of(boxes: Sequence[Box]) -> list[Edge]:
    """Which box reads the results of which, once for each pair."""
    box_of = {box.first + i: box for box in boxes for i in range(len(box.steps))}
    edges: dict[tuple[str, str], Edge] = {}
    for box in boxes:
        for step in box.steps:
            for number in step.reads:
                tail = box_of[number]
                if tail is not box:
                    edges[tail.id, box.id] = Edge(tail.id, box.id, tail.kind == "LCCL branch")
            for name in step.inputs:
                edges[f"in:{name}", box.id] = Edge(f"in:{name}", box.id, False)
            for name in step.outputs:
                edges[box.id, f"out:{name}"] = Edge(box.id, f"out:{name}", False)
    return list(edges.values())


def describe(box: Box) -> str:
    """A box in a sentence, for those who do not see it."""
    step = box.main_steps[-1]
    density = f", density {box.density:.1%}" if box.density is not None else ""
    return f"{box.node}: {WORDS[step.algorithm]}, {step.shape}{density}, {sum(box.microseconds):.2f} microseconds"


def details(boxes: Sequence[Box]) -> dict[str, Any]:
    """What page.js shows of a box, by its id."""
    return {box.id: {"node": box.node, "kind": box.kind, "density": box.density,
                     "steps": [{"number": box.first + i, "kernel": step.kernel, "words": WORDS[step.algorithm],
                                "shape": step.shape, "macs": step.macs, "macs_per_entry": step.macs_per_entry,
                                "packed_bytes": step.packed_bytes, "remark": step.remark, "us": box.microseconds[i]}
                               for i, step in enumerate(box.steps)]} for box in boxes}


def css_class(kind: str) -> str:
    return "kind-" + kind.lower().replace(" ", "-")
