#!/usr/bin/env python3
"""Write an int8 twin of a float32 network: ONNX with QuantizeLinear and DequantizeLinear (QDQ).

Activations become u8, weights s8 with a scale per output channel. Images calibrate the ranges of
activations; they are read as `classify` reads them. docs/quantize.md says more.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import onnx

import images
from boundaries import find_boundaries
from calibrate import METHODS, calibrate
from errors import QuantizeError
from evaluate import Runner, compare
from gates import find_gates
from insert import insert
from noise import measure_noise
from prepare import prepare, read
from test_set import make_test_set
from report import describe_accuracy, describe_gates, describe_layers, describe_noise

NOISE_IMAGES = 64
# Images in a batch: 32, or fewer where they are so large that all activations would not fit.
LARGEST_BATCH = 32
BATCH_SAMPLES = 2**19


class OneLineParser(argparse.ArgumentParser):
    """Reports a bad option as everything else that goes wrong, in one line."""

    def error(self, message: str) -> None:
        raise QuantizeError(f"{message}; see --help")


def parse_arguments(words: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, prog="quantize")
    parser.add_argument("--model", type=Path, required=True, help="the float32 ONNX file")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder of images, or of a folder of images per class",
    )
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument(
        "--calibration",
        choices=METHODS,
        default="percentile",
        help="of the ranges (default: %(default)s)",
    )
    parser.add_argument(
        "--percentile",
        type=float,
        default=99.99,
        help="share of values within the range (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=256,
        metavar="N",
        help="images that calibrate (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="draws them (default: %(default)s)")
    parser.add_argument(
        "--test",
        type=Path,
        metavar="DIR",
        help="images to compare both networks on (default: those of --data that do not calibrate)",
    )
    arguments = parser.parse_args(words)
    check(arguments)
    return arguments


def check(arguments: argparse.Namespace) -> None:
    if arguments.images < 1:
        raise QuantizeError(f"--images {arguments.images}: is under 1; calibrate on some hundreds")
    if arguments.seed < 0:
        raise QuantizeError(f"--seed {arguments.seed}: is negative; pass 0 or more")
    if not 50 <= arguments.percentile <= 100:
        raise QuantizeError(
            f"--percentile {arguments.percentile}: is not from 50 to 100; pass 99.99"
        )
    if not arguments.output.parent.is_dir():
        raise QuantizeError(f"{arguments.output.parent}: is no folder; create it first")


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write aside and rename, so that no half of a file is left."""
    aside = path.with_name(path.name + ".partial")
    try:
        try:
            aside.write_bytes(model.SerializeToString(deterministic=True))
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise QuantizeError(
            f"{path}: cannot be written ({error.strerror}); give --output a file in a folder that "
            "exists"
        ) from error


def test_images(arguments: argparse.Namespace, found: list[Path], chosen: list[Path]) -> list[Path]:
    """Those of --test; else those of --data that did not calibrate, if there are any."""
    if arguments.test is not None:
        return images.find_images(arguments.test)
    calibrated = set(chosen)
    return [path for path in found if path not in calibrated] or chosen


def batch_size(preprocessing: images.Preprocessing) -> int:
    height, width = preprocessing.size
    return max(1, min(LARGEST_BATCH, BATCH_SAMPLES // (3 * height * width)))


def quantise(arguments: argparse.Namespace) -> None:
    path = arguments.model
    model = read(path)
    preprocessing, labels = images.read_preprocessing(path, model), images.read_labels(path, model)
    batch = batch_size(preprocessing)
    graph = prepare(path, model)
    boundaries, gates = find_boundaries(graph), find_gates(graph)
    found = images.find_images(arguments.data)
    chosen = images.choose(found, arguments.images, arguments.seed)
    tests = test_images(arguments, found, chosen)

    runner = Runner(graph.model, boundaries.calibrated)
    values = map(runner.run, images.batches(chosen, preprocessing, batch))
    numbers = calibrate(path, boundaries, values, arguments.calibration, arguments.percentile)
    quantised = insert(graph, numbers)

    scores = runner.run(images.read_image(chosen[0], preprocessing)[None])[runner.scores]
    test_set = make_test_set(tests, labels, scores.size)
    comparison = compare(
        graph.model, quantised, gates, test_set.batches(preprocessing, batch), test_set.first
    )
    noises = measure_noise(
        graph, quantised, boundaries, images.batches(chosen[:NOISE_IMAGES], preprocessing, batch)
    )
    lines = [*describe_gates(graph, gates, comparison), *describe_noise(noises)]
    if scores.size > 1 and scores.size == scores.shape[1]:
        lines = describe_accuracy(comparison, test_set.truth is not None) + lines
    write(quantised, arguments.output)
    print(f"{arguments.output}: {describe_layers(graph, quantised)}")
    print(
        f"calibrated by {arguments.calibration} on {len(chosen)} images of {arguments.data}, "
        f"seed {arguments.seed}"
    )
    print("\n".join(lines))


def main(words: list[str] | None = None) -> int:
    """The exit status; `words`: the command line without the program's name."""
    try:
        quantise(parse_arguments(words))
    except QuantizeError as error:
        print(f"quantize: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
