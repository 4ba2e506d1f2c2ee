#!/usr/bin/env python3
"""Share a mean density out between a trained network's gated layers by what each costs in loss.

Each layer in turn is set to a few densities, the others left as trained, and the loss is measured
on held-out images; the result is a file for `train.py --densities`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from sluice_training.allocate import GRID, allocate, measure_curves
from sluice_training.batches import Normalizer
from sluice_training.checkpoint import (
    at_input_size,
    read_checkpoint,
    replace_text,
    restore_model,
)
from sluice_training.config import PRECISIONS
from sluice_training.data import hold_out, read_split
from sluice_training.errors import TrainingError, run_command
from sluice_training.lccl import gated_layers
from sluice_training.macs import count_macs


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="a gated network's")
    parser.add_argument("--data", type=Path, required=True, help="data set; see README.md")
    parser.add_argument("--output", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--target", type=float, default=0.5, help="mean density, MACs-weighted")
    parser.add_argument("--images", type=int, default=1000, help="held-out images to use")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    if not GRID[-1] <= arguments.target <= GRID[0]:
        raise TrainingError(f"--target must lie between {GRID[-1]} and {GRID[0]}")
    state = read_checkpoint(arguments.checkpoint)
    model = restore_model(state, arguments.checkpoint).to(memory_format=torch.channels_last)
    held_out = at_input_size(hold_out(read_split(arguments.data, "train"))[1], state)
    # Every n-th image, because they lie class by class.
    every = max(len(held_out) // arguments.images, 1)
    some = held_out.select(torch.arange(len(held_out)) % every == 0)
    report = count_macs(model, some.input_size)
    if not any(gated_layers(model)):
        raise TrainingError(f"{arguments.checkpoint}: {state['net']} has no LCCLs")
    normalizer = Normalizer(tuple(state["mean"]), tuple(state["std"]))
    curves = measure_curves(model, some, normalizer, arguments.precision)
    macs = {layer.name: layer.conv for layer in report.layers}
    densities = allocate(curves, macs, arguments.target)
    replace_text(arguments.output, json.dumps(densities, indent=1) + "\n")
    print("loss at density", *GRID, sep="\t")
    for name, curve in curves.items():
        print(name, *(f"{loss:.4f}" for loss in curve), f"-> {densities[name]:.3f}", sep="\t")


if __name__ == "__main__":
    run_command(main)
