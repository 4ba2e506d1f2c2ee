#!/usr/bin/env python3
"""Export a checkpoint as an ONNX file, checked against ONNX Runtime before it is written."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sluice_training.block_gates import gated_blocks
from sluice_training.checkpoint import describe_network, read_checkpoint, restore_model
from sluice_training.errors import TrainingError, run_command
from sluice_training.onnx_file import (
    EXPORTERS,
    ImageInfo,
    add_metadata,
    check_scores,
    round_weights,
    store_half,
    to_onnx,
    write_onnx,
)

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
    if arguments.half:
        if arguments.exporter == "dynamo":
            raise TrainingError(
                "--half: dynamo folds batch norms into weights that are rounded already; "
                "use --exporter torchscript"
            )
        round_weights(model)
    size = arguments.size or state.get("size", CIFAR_SIDE)
    proto = to_onnx(model, (3, size, size), arguments.exporter)
    if arguments.half:
        store_half(proto)
    # As much of an image is cut away as in the run's evaluation.
    shorter = round(state.get("shorter_side", size) * size / state.get("size", size))
    info = ImageInfo(tuple(state["classes"]), tuple(state["mean"]), tuple(state["std"]), shorter)
    add_metadata(proto, info.metadata() | describe_network(state))
    images = torch.randn(8, 3, size, size)
    may_differ = len(images) // 4 if any(gated_blocks(model)) else 0
    difference = check_scores(model, proto, images, may_differ)
    write_onnx(proto, arguments.output)
    print(f"{arguments.output}: scores within {difference:.1e} of PyTorch's")


if __name__ == "__main__":
    run_command(main)
