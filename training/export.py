#!/usr/bin/env python3
"""Export a checkpoint as an ONNX file, checked against ONNX Runtime before it is written."""

from __future__ import annotations

import argparse
from pathlib import Path

from sluice_training.checkpoint import describe_network, read_checkpoint, restore_model
from sluice_training.errors import TrainingError, run_command
from sluice_training.onnx_file import EXPORTERS, ImageInfo, export_network

# What checkpoints were trained on that do not say it.
CIFAR_SIDE = 32


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--exporter", choices=EXPORTERS, default="torchscript")
    parser.add_argument(
        "--half", action="store_true", help="round matrices and filters to float16, half the file"
    )
    parser.add_argument("--size", type=int, help="side of the input in pixels, else the run's")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    state = read_checkpoint(arguments.checkpoint)
    model = restore_model(state, arguments.checkpoint)
    if arguments.half and arguments.exporter == "dynamo":
        raise TrainingError(
            "--half: dynamo folds batch norms into weights that are rounded already; "
            "use --exporter torchscript"
        )
    size = arguments.size or state.get("size", CIFAR_SIDE)
    # As much of an image is cut away as in the run's evaluation.
    shorter = round(state.get("shorter_side", size) * size / state.get("size", size))
    info = ImageInfo(tuple(state["classes"]), tuple(state["mean"]), tuple(state["std"]), shorter)
    difference = export_network(
        model,
        info,
        size,
        arguments.output,
        arguments.exporter,
        describe_network(state),
        arguments.half,
    )
    print(f"{arguments.output}: scores within {difference:.1e} of PyTorch's")


if __name__ == "__main__":
    run_command(main)
