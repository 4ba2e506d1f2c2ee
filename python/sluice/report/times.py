"""How long the network takes, and each step and gated layer of it: runs of the benchmark."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import failure
from .program import Program


@dataclass(frozen=True)
class Spread:
    """Of several runs: the median, and the least and the most."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))


@dataclass(frozen=True)
class LayerTime:
    """A gated layer in microseconds. dense: of the kernel that the plan would take if the layer had no gate."""

    gated: Spread
    dense: Spread
    branch: Spread
    """Of `gated`: the LCCL branch."""
    dense_kernel: str
    theoretical: float | None
    """Dense MACs over executed ones; None where all are skipped."""

    @property
    def speedup(self) -> float:
        return self.dense.middle / self.gated.middle


@dataclass(frozen=True)
class Times:
    machine: dict[str, Any]
    version: str
    inputs: str
    runs: int
    network: Spread
    """Milliseconds per image."""
    dense: Spread | None
    """Of the network that --dense names, likewise."""
    layers: dict[str, LayerTime]
    steps: list[tuple[str, str, Spread]]
    """Node, kernel and microseconds of each step of the plan."""


def _link_images(files: Sequence[str], folder: Path) -> None:
    """Names each image in a folder, which is what the benchmark takes."""
    for number, file in enumerate(files):
        (folder / f"{number:06}.png").symlink_to(Path(file).resolve())  # read by content, whatever the name


def _result(found: dict[str, Any], model: Path) -> dict[str, Any]:
    row: dict[str, Any] = found["results"][0]
    if row["median_ms"] is None:
        raise failure(f"was not timed: {row['problem']}", "run sluice benchmark by itself", str(model))
    return row


def _layers(runs: list[dict[str, Any]]) -> dict[str, LayerTime]:
    of_run = [{row["layer"]: row for row in run.get("layers", [])} for run in runs]

    def spread(name: str, key: str) -> Spread:
        return Spread.of(rows[name][key] * 1e3 for rows in of_run)

    return {name: LayerTime(spread(name, "gated_ms"), spread(name, "dense_ms"), spread(name, "branch_ms"),
                            row["dense_kernel"], row["theoretical"]) for name, row in of_run[0].items()}


def _steps(runs: list[dict[str, Any]]) -> list[tuple[str, str, Spread]]:
    return [(rows[0]["node"], rows[0]["kernel"], Spread.of(row["ms"] * 1e3 for row in rows))
            for rows in zip(*(run["steps"] for run in runs), strict=True)]


def measure(program: Program, arguments: argparse.Namespace, images: Sequence[str]) -> Times:
    """Runs the benchmark `arguments.runs` times, of both networks in turn where two are named."""
    words = ["--layers", "--seconds", str(arguments.seconds)]
    for option in ("size", "target"):
        if getattr(arguments, option) is not None:
            words += [f"--{option}", getattr(arguments, option)]
    gated, dense = [], []
    with tempfile.TemporaryDirectory(prefix="sluice-report-") as name:
        _link_images(images, Path(name))
        for _ in range(arguments.runs):
            gated.append(program.benchmark(arguments.model, "--data", name, *words))
            if arguments.dense is not None:
                dense.append(program.benchmark(arguments.dense, "--data", name, *words[1:]))
    rows = [_result(run, arguments.model) for run in gated]
    dense_rows = [_result(run, arguments.dense) for run in dense]
    return Times(gated[0]["machine"], rows[0]["version"], rows[0]["inputs"], arguments.runs,
                 Spread.of(row["median_ms"] / row["batch"] for row in rows),
                 Spread.of(row["median_ms"] / row["batch"] for row in dense_rows) if dense_rows else None,
                 _layers(gated), _steps(gated))
