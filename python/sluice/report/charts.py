"""The plots: Vega-Lite's, drawn when the page is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import vl_convert

from .classified import GatedLayer
from .times import LayerTime

# In pixels, of a screen and of a phone: page.css shows one of them.
WIDTHS = {"wide": 1120, "narrow": 330}


def _draw(name: str, rows: list[dict[str, Any]], said: str) -> dict[str, str]:
    """{width: SVG} of name.vl.json over rows. said: what the plot shows, for those who do not see it."""
    spec = json.loads(resources.files(__package__).joinpath(f"{name}.vl.json").read_text(encoding="utf-8"))
    theme = json.loads(resources.files(__package__).joinpath("theme.vl.json").read_text(encoding="utf-8"))
    spec["data"] = {"values": rows}
    drawn = {}
    for word, width in WIDTHS.items():
        spec["width"] = width
        spec["config"] = {**theme, "axisY": {**theme["axisY"], "labelLimit": width // 3}}
        svg = vl_convert.vegalite_to_svg(spec)
        drawn[word] = svg.replace("<svg ", f'<svg role="group" aria-label="{said}" ', 1)
    return drawn


def densities(layers: Sequence[GatedLayer]) -> dict[str, str]:
    """The mean of each layer over the images, and the range."""
    rows = [{"layer": layer.short, "mean": layer.mean, "low": min(layer.densities), "high": max(layer.densities),
             "text": f"{layer.mean:.0%}",
             "said": f"{layer.name}: density {layer.mean:.1%}, of single images {min(layer.densities):.1%} to "
                     f"{max(layer.densities):.1%}"} for layer in layers]
    return _draw("density", rows, "Density of each gated layer")


def times(layers: Sequence[GatedLayer], found: dict[str, LayerTime]) -> dict[str, str]:
    """Each layer's time dense and gated, and the range over the runs."""
    rows = []
    for layer in layers:
        if layer.name not in found:
            continue
        for kind in ("dense", "gated"):
            spread = getattr(found[layer.name], kind)
            rows.append({"layer": layer.short, "kind": kind, "middle": spread.middle, "low": spread.low,
                         "high": spread.high, "said": f"{layer.name}: {kind} {spread.middle:.2f} µs, runs "
                                                      f"{spread.low:.2f} to {spread.high:.2f}"})
    return _draw("times", rows, "Time of each gated layer, dense and gated")
