#!/usr/bin/env python3
"""Accuracy of an ONNX file with ONNX Runtime; with its checkpoint, the model card as well."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from sluice_training.batches import Normalizer, plain_batches
from sluice_training.card import write_card
from sluice_training.checkpoint import read_checkpoint, replace_text, restore_model
from sluice_training.costs import predict, read_costs
from sluice_training.data import ImageSet, hold_out, read_split
from sluice_training.errors import TrainingError, run_command
from sluice_training.loop import validate
from sluice_training.onnx_file import (
    ImageInfo,
    input_side,
    open_session,
    read_image_info,
    read_onnx,
)

SPLITS = ("validation", "test")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="data set; see README.md")
    parser.add_argument("--split", choices=SPLITS, nargs="+", default=["test"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the accuracies to this file")
    parser.add_argument("--costs", metavar="NAME", help="also predict its time, as avx2-int8")
    parser.add_argument("--checkpoint", type=Path, help="its checkpoint, for --card")
    parser.add_argument("--card", type=Path, help="Markdown card to write; needs --checkpoint")
    parser.add_argument("--log", type=Path, help="the run's log.jsonl, for --card")
    parser.add_argument("--fact", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    return parser.parse_args()


def read_named_split(data: Path, split: str, size: int) -> ImageSet:
    """`test`, or the tenth of `train` that no run is trained on, of the network's input size."""
    held = split != "test"
    found = hold_out(read_split(data, "train"))[1] if held else read_split(data, "test")
    return found.resized(size)


def measure(path: Path, info: ImageInfo, data: ImageSet, threads: int) -> float:
    """Share of the images whose largest score is their label's."""
    if data.classes != info.labels:
        raise TrainingError(f"{path}: its labels are not the class folders of the data")
    session = open_session(path, threads)
    correct = 0
    for images, labels in plain_batches(data, Normalizer(info.mean, info.std)):
        scores = session.run(["scores"], {"input": images.contiguous().numpy()})[0]
        correct += int((np.argmax(scores, axis=1) == labels.numpy()).sum())
    return correct / len(data)


def predicted_time(
    source: Path, costs: str, data: ImageSet, normalizer: Normalizer
) -> dict[str, str | float]:
    """By a table of costs, at the densities that the gates of a checkpoint or file have on `data`."""
    model = restore_model(read_checkpoint(source), source)
    _, _, macs = validate(model, data, normalizer)
    densities = {layer.name: layer.density for layer in macs.layers}
    return {"costs": costs, **predict(model, read_costs(costs), densities).record()}


def main() -> None:
    arguments = parse_arguments()
    if arguments.card and not (arguments.checkpoint and arguments.log):
        raise TrainingError("--card needs --checkpoint and --log")
    proto = read_onnx(arguments.onnx)
    info = read_image_info(proto, arguments.onnx)
    if info.interpolation != "bilinear":
        raise TrainingError(
            f"{arguments.onnx}: takes {info.interpolation} images, and they are read bilinearly "
            "here; use classify --evaluate"
        )
    size = input_side(proto, arguments.onnx)
    splits = {split: read_named_split(arguments.data, split, size) for split in arguments.split}
    accuracies = {
        split: measure(arguments.onnx, info, data, arguments.threads)
        for split, data in splits.items()
    }
    found: dict[str, object] = {"onnx": str(arguments.onnx), **accuracies}
    if arguments.costs:
        source = arguments.checkpoint or arguments.onnx
        data = next(iter(splits.values()))
        found |= predicted_time(source, arguments.costs, data, Normalizer(info.mean, info.std))
    result = json.dumps(found)
    print(result)
    if arguments.json:
        replace_text(arguments.json, result + "\n")
    if arguments.card:
        state = read_checkpoint(arguments.checkpoint)
        model = restore_model(state, arguments.checkpoint)
        data = splits.get("validation") or read_named_split(arguments.data, "validation", size)
        _, _, macs = validate(model, data, Normalizer(info.mean, info.std))
        facts = dict(arguments.fact)
        write_card(arguments.card, arguments.onnx.stem, facts, accuracies, macs, arguments.log)


if __name__ == "__main__":
    run_command(main)
