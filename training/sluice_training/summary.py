"""What a folder of runs amounts to: a Markdown table and a plot of accuracy against MACs cut."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice_training.block_gates import BLOCK, GRAINS
from sluice_training.checkpoint import build_model, read_checkpoint
from sluice_training.config import RunConfig, stored_config
from sluice_training.errors import TrainingError
from sluice_training.loop import CHECKPOINT, LOG, read_log
from sluice_training.macs import observed_gates

TEST = "test.json"


@dataclass(frozen=True)
class PaperPoint:
    """A point on CIFAR-10 that the paper reaches: a net cut of at least, at a drop of at most."""

    net: str
    cut: float
    drop: float


# Dong et al. (CVPR 2017), CIFAR-10, as this project's goals round them.
PAPER = (PaperPoint("resnet20", 0.20, 0.003), PaperPoint("resnet32", 0.31, 0.007))


@dataclass
class RunSummary:
    """One run by its checkpoint and log. Accuracies and cuts are shares, seconds are wall time.

    test: accuracy on the test images where evaluate.py has left it beside the checkpoint.
    """

    name: str
    net: str
    classes: int
    gate: dict[str, Any] | None
    config: RunConfig
    log: list[dict[str, Any]]
    layers: list[str] = field(default_factory=list)
    test: float | None = None

    @property
    def last(self) -> dict[str, Any]:
        return self.log[-1]

    @property
    def done(self) -> bool:
        return self.last["epoch"] >= self.config.epochs

    @property
    def cut(self) -> float:
        return self.last.get("cut", 0.0)

    @property
    def group(self) -> tuple[str, int]:
        """Runs that are compared: the same network on as many classes."""
        return self.net, self.classes


def find_runs(folder: Path) -> list[RunSummary]:
    """Every run under a folder that has finished an epoch, by network and then by cut."""
    runs = [_summary(path.parent) for path in sorted(folder.glob(f"*/{CHECKPOINT}"))]
    found = [run for run in runs if run is not None]
    if not found:
        raise TrainingError(f"{folder}: holds no runs; expected RUN/{CHECKPOINT} and RUN/{LOG}")
    return sorted(found, key=lambda run: (run.classes, run.net, run.cut, run.name))


def _summary(folder: Path) -> RunSummary | None:
    state = read_checkpoint(folder / CHECKPOINT)
    log = read_log(folder)
    if not log:
        return None
    model = build_model(state["net"], state["gate"], len(state["classes"]))
    return RunSummary(
        folder.name,
        state["net"],
        len(state["classes"]),
        state["gate"],
        stored_config(state["config"]),
        log,
        list(observed_gates(model)),
        _test_accuracy(folder / TEST),
    )


def _test_accuracy(path: Path) -> float | None:
    if not path.exists():
        return None
    try:
        return float(json.loads(path.read_text())["test"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: not a result of evaluate.py") from error


def best_dense(runs: list[RunSummary]) -> dict[tuple[str, int], RunSummary]:
    """The finished dense run of each network and data with the best validation accuracy."""
    best: dict[tuple[str, int], RunSummary] = {}
    for run in runs:
        if run.gate is None and run.done:
            held = best.get(run.group)
            if held is None or run.last["val_accuracy"] > held.last["val_accuracy"]:
                best[run.group] = run
    return best


def markdown(runs: list[RunSummary], image: str | None = None) -> str:
    """The tables: all runs with the paper's points, then the densities per layer."""
    lines = ["# Runs", ""]
    if image:
        lines += [f"![Accuracy against MACs cut]({image})", ""]
    lines += [
        "Accuracies are those of the held-out tenth of the training images at the last epoch, "
        "and drops are from the best finished dense run of the same network and data; a negative drop "
        "is a gain. The cut is net of the LCCL branches; beside it the cut without dead gate maps.",
        "",
        "| run | net | classes | gate | seed | epochs | validation | drop | test | MACs cut "
        "| by live gates | dead maps | dead blocks | hours |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    dense = best_dense(runs)
    for run in runs:
        lines.append(_row(run, dense.get(run.group)))
    lines += [
        f"| *the paper, at least this cut at most this drop* | {point.net} | 10 | | | | "
        f"| {100 * point.drop:.1f} | | {point.cut:.1%} | | | | |"
        for point in PAPER
    ]
    for run in runs:
        if run.layers and "densities" in run.last:
            lines += ["", f"## Densities of {run.name}", "", "| layer | density |", "|---|---|"]
            lines += [f"| {n} | {d:.3f} |" for n, d in zip(run.layers, run.last["densities"])]
    return "\n".join(lines) + "\n"


def _row(run: RunSummary, dense: RunSummary | None) -> str:
    last = run.last
    drop = "" if dense is None or run.gate is None else (
        f"{100 * (dense.last['val_accuracy'] - last['val_accuracy']):.1f}"
    )  # fmt: skip
    live = f"{last['cut_by_live_gates']:.1%}" if "cut_by_live_gates" in last else ""
    hours = sum(record["seconds"] for record in run.log) / 3600
    cells = [
        run.name,
        run.net,
        run.classes,
        _gate_text(run.gate),
        run.config.seed,
        f"{last['epoch']}/{run.config.epochs}",
        f"{last['val_accuracy']:.2%}",
        drop,
        "" if run.test is None else f"{run.test:.2%}",
        f"{run.cut:.1%}",
        live,
        last.get("dead_maps", ""),
        len(last["dead_blocks"]) if "dead_blocks" in last else "",
        f"{hours:.1f}",
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _gate_text(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "none"
    if gate["form"] == BLOCK:
        names = {grain: name for name, grain in GRAINS.items()}
        return f"per block, grains {'-'.join(names[grain] for grain in gate['grains'])}"
    norm = "" if gate["slope"] is not None else ", learned norm"
    place = ", after the norm" if gate.get("after_norm") else ""
    return f"{gate['form']}, {gate['function']}{norm}{place}"


def plot(runs: list[RunSummary], path: Path) -> None:
    """Drop against net cut, a colour per network, unfinished runs hollow, the paper's points beside.

    Raises TrainingError where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainingError(
            "the plot needs matplotlib: pip install 'training[report]', or pass --no-plot"
        ) from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    dense = best_dense(runs)
    for index, group in enumerate(sorted({run.group for run in runs if run.gate})):
        label = f"{group[0]}, {group[1]} classes"
        for run in (run for run in runs if run.gate and run.group == group and group in dense):
            drop = dense[group].last["val_accuracy"] - run.last["val_accuracy"]
            colour = f"C{index}"
            face = colour if run.done else "none"
            axes.scatter(100 * run.cut, -100 * drop, c=face, edgecolors=colour, label=label)
            label = None
    for point in PAPER:
        axes.scatter(100 * point.cut, -100 * point.drop, c="black", marker="x")
        axes.annotate(f"paper, {point.net}", (100 * point.cut, -100 * point.drop), fontsize=8)
    axes.axhline(0, color="gray", linewidth=0.5)
    axes.set_xlabel("net MACs cut, %")
    axes.set_ylabel("validation accuracy less the dense network's, points")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    aside = path.with_name(path.name + ".partial")
    try:
        figure.savefig(aside, dpi=120, format="png")
        os.replace(aside, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror})") from error
