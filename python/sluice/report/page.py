"""Puts what was measured into page.html."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2

from .. import Model
from . import charts, drawing, plan, times
from .classified import Classified, classify
from .masks import cover, mask_png, tiles_of
from .program import Program


def make(arguments: argparse.Namespace, program: Program) -> str:
    """The page. Raises Error where the model, an image or an option is at fault."""
    print(f"classifying with {arguments.model}", flush=True)
    found = classify(program, arguments)
    # Here, because the program refuses what is no size.
    size = tuple(map(int, arguments.size.split("x"))) if arguments.size else None
    model = Model(arguments.model, target=arguments.target, size=size, record_gates=False)
    print(f"timing {len(found.images)} images, {arguments.runs} runs of the benchmark", flush=True)
    measured = times.measure(program, arguments, [image.file for image in found.images])
    boxes = plan.boxes_of(model.steps(), found.layers, measured)
    return render(arguments, found, measured, model, boxes)


def render(arguments: argparse.Namespace, found: Classified, measured: times.Times, model: Model,
           boxes: Sequence[plan.Box]) -> str:
    drawn = [image for image in found.images if image.png]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters["percent"] = percent
    template = environment.from_string(_part("page.html"))
    return template.render(
        css=_part("page.css"), js=_part("page.js"), details=_for_script(plan.details(boxes)),
        name=arguments.model.stem, model_file=str(arguments.model), dense_file=str(arguments.dense or ""), model=model,
        today=datetime.date.today().isoformat(), images=found.images, drawn=drawn, layers=found.layers, times=measured,
        seconds=arguments.seconds, tiles=tiles_of(found.layers, drawn), mask_png=mask_png, cover=cover,
        skipped=_mean(image.skipped for image in found.images), density=_mean(layer.mean for layer in found.layers),
        totals=totals(measured), density_plots=charts.densities(found.layers) if found.layers else {},
        time_plots=charts.times(found.layers, measured.layers) if measured.layers else {},
        plan_svg=drawing.draw(boxes, model.inputs, model.outputs), kinds=kinds_of(boxes))


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _for_script(value: Any) -> str:
    """JSON that no HTML parser takes for the end of a script."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _mean(values: Any) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{share:.{digits}%}"


def totals(measured: times.Times) -> dict[str, float] | None:
    """Microseconds of all gated layers together, by the medians."""
    if not measured.layers:
        return None
    return {kind: sum(getattr(layer, kind).middle for layer in measured.layers.values()) for kind in ("dense", "gated")}


def kinds_of(boxes: Sequence[plan.Box]) -> list[dict[str, str]]:
    """Those that the plan has, for the legend."""
    present = {box.kind for box in boxes}
    return [{"name": kind, "css": plan.css_class(kind)} for kind in plan.PRECEDENCE if kind in present]
