#!/usr/bin/env python3
"""Set a trained network's thresholds so that its densities hold in evaluation mode.

The images are the held-out tenth of `train`. Where the run had a density per layer, each layer's
threshold is set; otherwise all are shifted alike until the mean density is the target.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from sluice_training.batches import Normalizer
from sluice_training.calibration import calibrate_layers, calibrate_mean
from sluice_training.checkpoint import (
    at_input_size,
    read_checkpoint,
    restore_model,
    write_checkpoint,
)
from sluice_training.config import PRECISIONS, stored_config
from sluice_training.data import ImageSet, hold_out, read_split
from sluice_training.errors import TrainingError, run_command
from sluice_training.loop import validate
from sluice_training.macs import observed_gates


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="or an ONNX file of export.py, with --target"
    )
    parser.add_argument("--data", type=Path, required=True, help="data set; see README.md")
    parser.add_argument("--output", type=Path, required=True, help="the checkpoint to write")
    parser.add_argument("--target", type=float, help="mean density instead of the run's own")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def measured(model: torch.nn.Module, data: ImageSet, *how: Any) -> dict[str, float]:
    accuracy, loss, macs = validate(model, data, *how)
    total = sum(layer.conv for layer in macs.layers)
    density = sum(layer.conv * layer.density for layer in macs.layers) / total
    found = {"accuracy": accuracy, "loss": loss, "density": density, "cut": macs.cut}
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    state = read_checkpoint(arguments.checkpoint)
    model = restore_model(state, arguments.checkpoint)
    names = list(observed_gates(model))
    if not names:
        raise TrainingError(f"{arguments.checkpoint}: {state['net']} has no gates to calibrate")
    config = stored_config(state["config"]) if "config" in state else None
    target = config.target if config and arguments.target is None else arguments.target
    if target is None:
        raise TrainingError(f"{arguments.checkpoint}: does not say its run's density; pass --target")
    if not 0 < target < 1:
        raise TrainingError(f"--target {target}: must lie between 0 and 1")
    held_out = at_input_size(hold_out(read_split(arguments.data, "train"))[1], state)
    how = (Normalizer(tuple(state["mean"]), tuple(state["std"])), arguments.precision)
    before = measured(model, held_out, *how)
    if config and config.densities and arguments.target is None:
        calibrate_layers(model, dict(zip(names, config.densities)), held_out, *how)
    else:
        calibrate_mean(model, target, held_out, *how)
    after = measured(model, held_out, *how)
    write_checkpoint(arguments.output, state | {"model": model.state_dict()})
    print(json.dumps({"before": before, "after": after}))


if __name__ == "__main__":
    run_command(main)
