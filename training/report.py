#!/usr/bin/env python3
"""Accuracy against MACs cut of all runs in a folder: a table, a plot, and sheets of the masks."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sluice_training.checkpoint import replace_text
from sluice_training.costs import read_costs
from sluice_training.data import hold_out, read_split
from sluice_training.errors import TrainingError, run_command
from sluice_training.masks import write_masks
from sluice_training.summary import find_runs, markdown, plot
from sluice_training.time_report import predicted_times


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs' folders")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--data", type=Path, help="data set, for sheets of the masks")
    parser.add_argument("--masks", nargs="+", metavar="RUN", default=[], help="needs --data")
    parser.add_argument("--images", type=int, default=6, help="columns of each sheet of masks")
    parser.add_argument("--costs", metavar="NAME", help="also predict times, as avx2-int8")
    parser.add_argument("--no-plot", action="store_true", help="the table alone, no matplotlib")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.masks and arguments.data is None:
        raise TrainingError("--masks needs --data")
    torch.set_num_threads(1)
    runs = find_runs(arguments.runs)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if not arguments.no_plot:
        plot(runs, arguments.output / "accuracy.png")
    image = None if arguments.no_plot else "accuracy.png"
    text = markdown(runs, image)
    if arguments.costs:
        text += predicted_times(runs, read_costs(arguments.costs))
    replace_text(arguments.output / "report.md", text)
    if arguments.masks:
        held_out = hold_out(read_split(arguments.data, "train"))[1]
        for name in arguments.masks:
            checkpoint = arguments.runs / name / "checkpoint.pt"
            write_masks(
                checkpoint, held_out, arguments.images, arguments.output / f"masks_{name}.png"
            )
    print(f"{arguments.output}: {len(runs)} runs")


if __name__ == "__main__":
    run_command(main)
