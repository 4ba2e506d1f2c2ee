#!/usr/bin/env python3
"""Accuracy against measured milliseconds of every network of models/index.json: in words, and drawn.

Writes docs/trade-off.md, and with matplotlib a plot for each target and precision beside it. Run it
with a Python that has matplotlib, as .venv-train; --no-plot writes the words alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from entries import Entry
from errors import ModelsError, status_of
from tables import PRECISIONS, TARGETS, gates_text, network_name
from times import Times, read_all
from write_index import INDEX, read_index, write_text


@dataclass(frozen=True)
class Point:
    """A network: its milliseconds and its accuracy as a share."""

    entry: Entry
    ms: float

    @property
    def accuracy(self) -> float:
        return self.entry["accuracy"]

    @property
    def name(self) -> str:
        return f"{network_name(self.entry['network'])}, {gates_text(self.entry)}"


@dataclass(frozen=True)
class Panel:
    """The networks of one data set, on one target and in one precision."""

    target: str
    precision: str
    data: str
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        target = TARGETS.get(self.target, self.target)
        return f"{self.data}, {target}, {PRECISIONS[self.precision]}"

    @property
    def dense(self) -> list[Point]:
        """By time."""
        return sorted((p for p in self.points if p.entry["gates"] is None), key=lambda p: p.ms)

    @property
    def gated(self) -> list[Point]:
        return sorted((p for p in self.points if p.entry["gates"] is not None), key=lambda p: p.ms)


def make_panels(index: list[Entry], measured: list[Times]) -> list[Panel]:
    """Panels that have a gated network and a dense one."""
    panels = []
    for times in measured:
        for precision in times.precisions():
            for data in sorted({entry["data"] for entry in index}):
                points = tuple(
                    Point(entry, ours["median_ms"])
                    for entry in index
                    if entry["precision"] == precision
                    and entry["data"] == data
                    and (ours := times.ours(entry["file"]))
                )
                panel = Panel(times.target, precision, data, points)
                if panel.dense and panel.gated:
                    panels.append(panel)
    return panels


def dense_accuracy(dense: list[Point], ms: float) -> float | None:
    """That of dense networks at a time, interpolated; None where all of them take longer.

    Beyond the slowest one its accuracy counts. A network that is slower and no better than another
    is not on the line.
    """
    line: list[Point] = []
    for point in dense:
        if not line or point.accuracy > line[-1].accuracy:
            line.append(point)
    if ms < line[0].ms:
        return None
    for left, right in zip(line, line[1:]):
        if ms <= right.ms:
            share = (ms - left.ms) / (right.ms - left.ms)
            return left.accuracy + share * (right.accuracy - left.accuracy)
    return line[-1].accuracy


def verdict(point: Point, dense: list[Point]) -> str:
    """Where a gated network lies, in one sentence."""
    head = f"{point.name} ({point.entry['file']}): {100 * point.accuracy:.2f}% in {point.ms:.3g} ms"
    level = dense_accuracy(dense, point.ms)
    if level is None:
        fastest = dense[0]
        return (
            f"{head}: faster than any dense one, {fastest.ms / point.ms:.2f} times as fast as "
            f"{network_name(fastest.entry['network'])}, {_points(point.accuracy - fastest.accuracy)} it"
        )
    return f"{head}: {_points(point.accuracy - level)} the dense line at that time"


def _points(gain: float) -> str:
    return f"{abs(100 * gain):.2f} points {'above' if gain > 0 else 'below'}"


def describe(panels: list[Panel]) -> str:
    lines = [
        "# Accuracy against time",
        "",
        "Written by `make trade-off` from `models/index.json` and `docs/times`: one thread, batch 1, "
        "accuracy on the test images. The dense line joins our own dense networks of one data set and "
        "precision. A gated network pays where it lies above that line: no dense network, nor a mean of "
        "two, is as good at its time.",
    ]
    for panel in panels:
        levels = [(p, dense_accuracy(panel.dense, p.ms)) for p in panel.gated]
        above = [p for p, level in levels if level is not None and p.accuracy > level]
        faster = sum(level is None for _, level in levels)
        lines += ["", f"## {panel.title}", "", f"![{panel.title}]({file_name(panel)})", ""]
        count = len(panel.gated)
        which = ", ".join(p.name for p in above) or "none"
        lines += [
            f"Above the dense line, of {count} gated networks: {which}. Faster than any dense one: "
            f"{faster}.",
            "",
        ]
        lines += [
            f"- {p.name} ({p.entry['file']}): {100 * p.accuracy:.2f}% in {p.ms:.3g} ms"
            for p in panel.dense
        ]
        lines += [f"- {verdict(point, panel.dense)}" for point in panel.gated]
    return "\n".join(lines) + "\n"


def file_name(panel: Panel) -> str:
    data = panel.data.lower().replace("-", "")
    return f"trade-off-{data}-{panel.target}-{panel.precision}.svg"


def plot(panel: Panel, path: Path) -> None:
    """Dense networks on a line, gated ones beside it, a colour per depth."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ModelsError(
            "the plots need matplotlib: run this with .venv-train/bin/python, or pass --no-plot"
        ) from error
    matplotlib.rcParams |= {"svg.hashsalt": "sluice", "svg.fonttype": "none"}
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    dense = panel.dense
    axes.plot([p.ms for p in dense], [100 * p.accuracy for p in dense], "k-o", label="dense")
    nets = sorted({p.entry["network"] for p in panel.gated}, key=lambda net: (len(net), net))
    for colour, net in enumerate(nets):
        points = [p for p in panel.gated if p.entry["network"] == net]
        label = f"{network_name(net)}, gated"
        axes.plot(
            [p.ms for p in points], [100 * p.accuracy for p in points], f"C{colour}s", label=label
        )
    for point in panel.points:
        text = network_name(point.entry["network"]) if point.entry["gates"] is None else (
            gates_text(point.entry)
        )  # fmt: skip
        place = (point.ms, 100 * point.accuracy)
        axes.annotate(text, place, xytext=(4, 4), textcoords="offset points", fontsize=7)
    axes.set_xlabel("milliseconds for an image, one thread")
    axes.set_ylabel("accuracy on the test images, %")
    axes.set_title(panel.title)
    axes.legend(fontsize=8)
    aside = path.with_name(path.name + ".partial")
    try:
        figure.savefig(aside, format="svg", metadata={"Date": None})
        # matplotlib leaves blanks at the ends of lines.
        lines = aside.read_text().splitlines()
        aside.write_text("\n".join(line.rstrip() for line in lines) + "\n")
        os.replace(aside, path)
    except OSError as error:
        raise ModelsError(f"{path}: cannot be written ({error.strerror})") from error


def parse_arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="trade_off")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--digests", type=Path, default=Path("docs/times"))
    parser.add_argument("--output", type=Path, default=Path("docs"), help="the folder to write to")
    parser.add_argument("--no-plot", action="store_true", help="the words alone, no matplotlib")
    return parser.parse_args(words)


def draw(arguments: argparse.Namespace) -> None:
    index = read_index(arguments.models / INDEX)
    panels = make_panels(index, read_all(arguments.digests))
    if not panels:
        raise ModelsError("no target has times of a gated and of a dense network; run make bench")
    for panel in panels if not arguments.no_plot else ():
        plot(panel, arguments.output / file_name(panel))
    write_text(arguments.output / "trade-off.md", describe(panels))
    print(f"{arguments.output / 'trade-off.md'}: {len(panels)} panels")


def main(words: list[str] | None = None) -> int:
    arguments = parse_arguments(words)
    return status_of("trade_off", lambda: draw(arguments))


if __name__ == "__main__":
    sys.exit(main())
