#!/usr/bin/env python3
"""Train a network, dense or gated, on a folder of pictures; see README.md."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields
from pathlib import Path

import torch

from sluice_training.batches import Normalizer
from sluice_training.checkpoint import build_model, read_checkpoint, restore_model, warm_start
from sluice_training.data import channel_statistics, hold_out, read_split
from sluice_training.errors import TrainingError, run_command
from sluice_training.lccl import FORMS, FUNCTIONS, GateSpec
from sluice_training.run import Run, RunConfig, train


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--output", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--net", default="resnet20", help="resnet20|32|44|56|110 or preresnet*")
    parser.add_argument("--gate", choices=("none", *FORMS), default="none", help="LCCL form")
    parser.add_argument("--gate-function", choices=FUNCTIONS, default="clip")
    parser.add_argument("--maps", type=int, default=1, help="gate maps of the form 'groups'")
    parser.add_argument("--grid", type=int, default=4, help="tile side of the form 'tile'")
    parser.add_argument("--warm-start", type=Path, help="checkpoint of the dense network")
    parser.add_argument("--teacher", type=Path, help="checkpoint to distil from")
    parser.add_argument("--resume", action="store_true", help="go on from --output's checkpoint")
    parser.add_argument("--threads", type=int, default=1)
    for option in fields(RunConfig):
        kind = {"int": int, "float": float, "str": str}[str(option.type)]
        default = 20 if option.name == "epochs" else option.default
        parser.add_argument("--" + option.name.replace("_", "-"), type=kind, default=default)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    newest = arguments.output / "checkpoint.pt"
    state = read_checkpoint(newest) if arguments.resume and newest.exists() else None
    if state is None and newest.exists():
        raise TrainingError(f"{newest}: exists; pass --resume or another --output")
    config = RunConfig(**{f.name: getattr(arguments, f.name) for f in fields(RunConfig)})
    if state is not None and state["config"] != asdict(config):
        raise TrainingError(
            f"{newest}: belongs to other options; repeat them or take another --output"
        )

    torch.manual_seed(config.seed)
    training, held_out = hold_out(read_split(arguments.data, "train"))
    normalizer = Normalizer(*channel_statistics(training.images))
    gate = None
    if arguments.gate != "none":
        gate = asdict(
            GateSpec(
                arguments.gate, arguments.gate_function, maps=arguments.maps, grid=arguments.grid
            )
        )
    model = build_model(arguments.net, gate, len(training.classes))
    if arguments.warm_start:
        warm_start(model, read_checkpoint(arguments.warm_start), arguments.warm_start)
    teacher = None
    if arguments.teacher:
        teacher = restore_model(read_checkpoint(arguments.teacher), arguments.teacher)
        teacher.to(memory_format=torch.channels_last)

    run = Run(model, config, training, normalizer, teacher)
    if state is not None:
        run.restore(state)
    arguments.output.mkdir(parents=True, exist_ok=True)
    fixed = {
        "net": arguments.net,
        "gate": gate,
        "classes": list(training.classes),
        "mean": list(normalizer.mean),
        "std": list(normalizer.std),
    }
    train(run, held_out, normalizer, arguments.output, fixed)


if __name__ == "__main__":
    run_command(main)
