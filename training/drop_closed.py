#!/usr/bin/env python3
"""Leave out of a trained network the blocks whose gates never open: their shortcuts remain.

A gate that never opens still costs its branch, the scan of its map and the fill of what it skips.
Densities are those of the held-out tenth of `train`. The output is a checkpoint as any other.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import torch

from sluice_training.batches import Normalizer
from sluice_training.block_gates import BlockGateSpec, spec_of
from sluice_training.checkpoint import (
    at_input_size,
    read_checkpoint,
    restore_model,
    write_checkpoint,
)
from sluice_training.closed_blocks import close_blocks
from sluice_training.config import PRECISIONS
from sluice_training.data import hold_out, read_split
from sluice_training.errors import TrainingError, run_command
from sluice_training.loop import validate
from sluice_training.macs import DEAD_DENSITY


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="or a float32 ONNX file of export.py"
    )
    parser.add_argument("--data", type=Path, required=True, help="data set; see README.md")
    parser.add_argument("--output", type=Path, required=True, help="the checkpoint to write")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    state = read_checkpoint(arguments.checkpoint)
    model = restore_model(state, arguments.checkpoint)
    spec = spec_of(state["gate"]) if state["gate"] else None
    if not isinstance(spec, BlockGateSpec):
        raise TrainingError(f"{arguments.checkpoint}: has no gates per block; no block can be left out")
    held_out = at_input_size(hold_out(read_split(arguments.data, "train"))[1], state)
    how = (Normalizer(tuple(state["mean"]), tuple(state["std"])), arguments.precision)
    before, _, macs = validate(model, held_out, *how)
    dropped = [name for name in macs.dead_blocks if name not in spec.closed]
    if not dropped:
        raise TrainingError(
            f"{arguments.checkpoint}: every gate opens at {DEAD_DENSITY:.0%} of its positions and more; "
            "nothing to leave out"
        )
    close_blocks(model, dropped)
    after, _, _ = validate(model, held_out, *how)
    gate = asdict(replace(spec, closed=(*spec.closed, *dropped)))
    write_checkpoint(arguments.output, state | {"gate": gate, "model": model.state_dict()})
    print(json.dumps({"dropped": dropped, "before": round(before, 4), "after": round(after, 4)}))


if __name__ == "__main__":
    run_command(main)
