"""What the network says of each image, and where its gates are active."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from .program import Program


@dataclass(frozen=True)
class Mask:
    """A gated layer's gates for one image. active: how many of `maps` are not zero at each position, row by row."""

    maps: int
    height: int
    width: int
    active: tuple[int, ...]
    cover: tuple[float, float]
    """Height and width of the mask in those of the layer's output, which the last gates may reach beyond."""
    density: float


@dataclass(frozen=True)
class ClassifiedImage:
    file: str
    label: str
    probability: float | None
    skipped: float
    """Share of the MACs, negative where the LCCL branches take more than the gates save."""
    png: str
    """The image as the network sees it, in base64; empty where it is not drawn, and then without masks."""
    masks: dict[str, Mask]

    @property
    def name(self) -> str:
        return PurePath(self.file).name


@dataclass
class GatedLayer:
    """Of all images. densities: one per image."""

    name: str
    short: str
    skips: bool
    densities: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return sum(self.densities) / len(self.densities)


@dataclass
class Classified:
    images: list[ClassifiedImage]
    layers: list[GatedLayer]


def short_names(names: Sequence[str]) -> list[str]:
    """Without the components that all names begin with, and end with, as long as one is left of each."""
    parts = [name.split("/") for name in names]
    if len(parts) < 2:
        return list(names)
    for end in (0, -1):
        while min(map(len, parts)) > 1 and len({p[end] for p in parts}) == 1:
            for p in parts:
                p.pop(end)
    return ["/".join(p) for p in parts]


def _mask(gate: dict[str, Any]) -> Mask:
    cover = tuple(gate[side] * gate["grid"] / gate[f"output_{side}"] for side in ("height", "width"))
    return Mask(gate["maps"], gate["height"], gate["width"], tuple(gate["active"]), (cover[0], cover[1]),
                gate["density"])


def _image(line: dict[str, Any], is_drawn: bool) -> ClassifiedImage:
    label = line["class"]
    if label is None:
        label = f"score {line['scores'][0]:.3g}"
    masks = {gate["layer"]: _mask(gate) for gate in line["gates"]} if is_drawn else {}
    skipped = 1 - line["macs_executed"] / line["macs"] if line["macs"] else 0.0
    return ClassifiedImage(line["file"], label, line["probability"], skipped, line["image"] if is_drawn else "", masks)


def classify(program: Program, arguments: argparse.Namespace) -> Classified:
    """Classifies all images; the first `arguments.drawn` keep their masks. Raises Error where one cannot be read."""
    words = ["--json", "--gates", "--model", str(arguments.model)]
    for option in ("labels", "size", "target"):
        if getattr(arguments, option) is not None:
            words += [f"--{option}", getattr(arguments, option)]
    found = Classified([], [])
    for text in program.lines("classify", *words, "--", *arguments.images):
        line = json.loads(text)
        if "summary" in line:
            continue
        found.images.append(_image(line, len(found.images) < arguments.drawn))
        if not found.layers:
            names = [gate["layer"] for gate in line["gates"]]
            found.layers = [GatedLayer(gate["layer"], short, gate["skips"])
                            for gate, short in zip(line["gates"], short_names(names))]
        for layer, gate in zip(found.layers, line["gates"]):
            layer.densities.append(gate["density"])
    return found
