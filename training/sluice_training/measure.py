"""Times units with apps/benchmark, step by step, and makes rows of a table of costs from what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice_training.errors import TrainingError
from sluice_training.onnx_file import write_onnx
from sluice_training.unit_network import (
    DENSE,
    DENSITIES,
    UnitNetwork,
    build,
    covered_squares,
    photographs,
    to_file,
    variant_name,
)
from sluice_training.units import LAYER_FORMS, Unit, convolutions

ROOT = Path(__file__).resolve().parent.parent.parent
BENCHMARK = ROOT / "build/release/apps/benchmark/benchmark"
QUANTIZE = ROOT / "python/quantize/quantize.py"
GATED = {variant_name(density) for part in DENSITIES for density in part}
GRAINS = ("1", "2", "4", "8", "map", *LAYER_FORMS)
# The beginnings of the names of kernels whose time does not depend on what is skipped: branches of
# gates, and what makes lists of their masks.
LISTS = ("branch", "int8_branch", "positions", "tiles", "elements", "open_count", "pair_count",
         "kernel_map", "select_way", "reduce_positions")  # fmt: skip
# What gates read in place of their block's input, and shortcuts: where several variants have the same,
# a plan computes it once, for the first of them.
POOLS = ("max_pool", "average_pool", "global_average_pool")
SHORTCUTS = ("shortcut", "downsample")


@dataclass(frozen=True)
class Question:
    """What is timed where. seconds: for each network; photos: the folder of images; grains: the gates."""

    target: str
    precision: str
    seconds: float
    photos: Path
    scratch: Path
    benchmark: Path = BENCHMARK
    grains: tuple[str, ...] = GRAINS


def grains_of(unit: Unit, wanted: tuple[str, ...] = GRAINS) -> tuple[str, ...]:
    """The gates that a unit is timed with; grains that are as coarse as its map leave it to `map`."""
    if not unit.is_block:
        return ()
    stride = max(conv.stride[0] for conv in convolutions(unit.module))
    side = min(unit.size[1:]) // stride
    return tuple(g for g in wanted if not g.isdecimal() or int(g) < side)


def measure_unit(unit: Unit, question: Question) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of the table, and the machine as the benchmark describes it."""
    photos = photographs(question.photos, unit.size[1:])
    row: dict[str, Any] = {"unit": unit.key, "precision": question.precision}
    if not unit.is_block:
        times, machine = _measure([build(unit, photos)], unit, question)
        return row | {"dense_ms": times[0][DENSE].ms}, machine
    timed, squares = {}, {}
    for grain in grains_of(unit, question.grains):
        networks = [build(unit, photos, grain, densities) for densities in DENSITIES]
        timed[grain], machine = _measure(networks, unit, question)
        squares[grain] = [covered_squares(network, photos) for network in networks]
    dense = _median(times[DENSE].ms for parts in timed.values() for times in parts)
    gates = {grain: _gate_row(parts, squares[grain], dense) for grain, parts in timed.items()}
    return row | {"dense_ms": dense, "gates": gates}, machine


def _measure(
    networks: list[UnitNetwork], unit: Unit, question: Question
) -> tuple[list[dict[str, Variant]], dict[str, Any]]:
    """The variants' times of each network, all in one run of the benchmark."""
    files = []
    for index, network in enumerate(networks):
        path = question.scratch / f"part{index}.onnx"
        write_onnx(to_file(network, unit.size), path)
        files.append(_quantise(path, question) if question.precision == "int8" else path)
    report = _run_benchmark(files, question)
    return [times_of(report, file.stem) for file in files], report["machine"]


@dataclass
class Variant:
    """Of one variant in one network: its steps' milliseconds, and its gates' mean density."""

    ms: float = 0.0
    fixed_ms: float = 0.0
    density: float | None = None


def times_of(report: Mapping[str, Any], network: str) -> dict[str, Variant]:
    """The variants of one network of the report, by their names, from the benchmark's steps."""
    found: dict[str, Variant] = {}
    # Milliseconds by place and variant, of what variants may share.
    shared: dict[str, dict[str, float]] = {}
    pools: dict[str, dict[str, float]] = {}
    for step in report.get("steps", ()):
        if step["network"] != network:
            continue
        name, place = _variant_of(step["node"])
        variant = found.setdefault(name, Variant())
        variant.ms += step["ms"]
        is_pool = step["kernel"].startswith(POOLS) and "gate" in place
        if step["kernel"].startswith(LISTS) or is_pool:
            variant.fixed_ms += step["ms"]
        if is_pool or place.startswith(SHORTCUTS):
            owners = (pools if is_pool else shared).setdefault(place, {})
            owners[name] = owners.get(name, 0.0) + step["ms"]
    for places, fixed, users in ((shared, 0, GATED | {DENSE}), (pools, 1, GATED)):
        for owners in places.values():
            ms = next(iter(owners.values()))
            for name in (users & found.keys()) - owners.keys():
                found[name].ms += ms
                found[name].fixed_ms += fixed * ms
    densities: dict[str, list[float]] = {}
    for layer in report.get("layers", ()):
        if layer["network"] == network:
            densities.setdefault(_variant_of(layer["layer"])[0], []).append(layer["density"])
    for name, values in densities.items():
        found.setdefault(name, Variant()).density = sum(values) / len(values)
    if DENSE not in found:
        raise TrainingError(f"{network}: the benchmark gives no step of its dense variant")
    return found


def _variant_of(node: str) -> tuple[str, str]:
    """The variant that an exported node belongs to, the first part of its name, and its place there."""
    name, _, place = node.strip("/").partition("/")
    return name, place.replace(f"{name}.0/", "")


def _gate_row(
    parts: list[dict[str, Variant]], squares: list[dict[str, float]], dense: float
) -> dict[str, Any]:
    """Of a gate's networks. Each one's times are scaled by its dense variant's, which ran in turn."""
    row: dict[str, Any] = {"fixed_ms": 0.0, "densities": [], "ms": [], "squares": []}
    fixed = []
    for densities, timed, covered in zip(DENSITIES, parts, squares):
        scale = dense / timed[DENSE].ms
        for wanted in densities:
            name = variant_name(wanted)
            if name not in timed:
                raise TrainingError(f"the benchmark gives no steps of {name}")
            variant = timed[name]
            # Where the plan skips nothing it says no density: it is what thresholds were set for.
            seen = wanted if variant.density is None else variant.density
            row["densities"].append(round(seen, 4))
            row["ms"].append(scale * variant.ms)
            row["squares"].append(round(covered[name], 3))
            fixed.append(scale * variant.fixed_ms)
    return row | {"fixed_ms": _median(fixed)}


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _quantise(path: Path, question: Question) -> Path:
    output = path.with_name(f"{path.stem}_int8.onnx")
    line = [sys.executable, str(QUANTIZE), "--model", str(path), "--data", str(question.photos)]
    _run([*line, "--output", str(output)])
    return output


def _run_benchmark(files: list[Path], question: Question) -> dict[str, Any]:
    output = question.scratch / "times.json"
    line = [str(question.benchmark), "--layers", "--target", question.target]
    line += ["--seconds", str(question.seconds), "--data", str(question.photos)]
    line += ["--json", str(output), "--model", *(str(file) for file in files)]
    _run(line)
    return json.loads(output.read_text())


def _run(line: list[str]) -> None:
    try:
        done = subprocess.run(line, capture_output=True, text=True)
    except OSError as error:
        raise TrainingError(f"{line[0]}: cannot be run ({error.strerror}); make build") from error
    if done.returncode:
        what = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"{Path(line[0]).name}: {what}")


def rounded(value: Any) -> Any:
    """Times with the digits that they are good for."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value
