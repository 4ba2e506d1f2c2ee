#!/usr/bin/env python3
"""Write a residual network with synthetic weights, dense or with LCCL gates of a given density.

For measuring speed, not for classifying: nothing is trained. Batch norms hold the statistics that
random images give, so that activations stay in range at any depth.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import onnx

from block_gates import parse_grains
from errors import SyntheticError
from gates import BLOCK, FORMS, GRAINS, GateSpec
from measure import Measurement, measure
from nets import ARCHITECTURES, PLACEMENTS, make_network


class OneLineParser(argparse.ArgumentParser):
    """Reports a bad option as everything else that goes wrong, in one line."""

    def error(self, message: str) -> None:
        raise SyntheticError(f"{message}; see --help")


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, prog="make_synthetic")
    parser.add_argument("--net", required=True, choices=tuple(ARCHITECTURES))
    parser.add_argument("--gate", choices=FORMS, default="none", help="LCCL form")
    parser.add_argument(
        "--placement", choices=PLACEMENTS, default="post", help="norm and ReLU after or before"
    )
    parser.add_argument(
        "--grains",
        help=f"of --gate block, of each stage as 4,4,2,1 or one for all: of {', '.join(GRAINS)}",
    )
    parser.add_argument("--density", type=float, help="share of active gates, 0 < density <= 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file to write")
    return parser.parse_args()


def gate_spec(form: str, density: float | None, grains: str | None) -> GateSpec:
    if grains is not None and form != BLOCK:
        raise SyntheticError("--grains are of gates per block; pass --gate block")
    if form == "none":
        if density is not None:
            raise SyntheticError("--density needs gates; pass --gate kxk-one or another form")
        return GateSpec()
    if density is None:
        raise SyntheticError(f"--gate {form} needs a density; pass --density 0.5 or another")
    return GateSpec(form, density, parse_grains(grains or "1"))


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
        raise SyntheticError(
            f"{path}: cannot be written ({error.strerror}); give --output a file in a folder that "
            "exists"
        ) from error


def describe(path: Path, measured: Measurement) -> str:
    lines = [f"{path}: synthetic weights"]
    if measured.densities.size:
        lines.append(
            f"density {measured.density:.3f} over fresh images, {measured.densities.min():.3f} "
            f"to {measured.densities.max():.3f} by layer, {measured.densities.size} gates"
        )
    cut = 1 - measured.executed / measured.macs
    lines.append(f"MACs {measured.macs}, executed {measured.executed:.0f}, {cut:.1%} cut")
    return "\n  ".join(lines)


def main() -> None:
    arguments = parse_arguments()
    spec = gate_spec(arguments.gate, arguments.density, arguments.grains)
    if not arguments.output.parent.is_dir():
        raise SyntheticError(f"{arguments.output.parent}: is no folder; create it first")
    network = make_network(arguments.net, spec, arguments.placement, arguments.seed)
    measured = measure(network, arguments.seed)
    write(network.model, arguments.output)
    print(describe(arguments.output, measured))


if __name__ == "__main__":
    try:
        main()
    except SyntheticError as error:
        print(f"make_synthetic: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
