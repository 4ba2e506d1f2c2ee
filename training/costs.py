#!/usr/bin/env python3
"""What gates save in a network, block by block and grain by grain, and which grains to take.

The times are those of costs/TARGET.json, for one image on one thread; README.md, "A budget in
milliseconds", says how they were measured.
"""

from __future__ import annotations

import argparse

from sluice_training.costs import PRECISIONS, read_costs
from sluice_training.errors import run_command
from sluice_training.nets import make_net
from sluice_training.saving import describe
from sluice_training.units import find_units, image_size


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="resnet20", help="as for train.py")
    parser.add_argument("--target", default="avx2")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    table = read_costs(f"{arguments.target}-{arguments.precision}")
    model = make_net(arguments.net, 10)
    units = find_units(model, image_size(model))
    print(describe(arguments.net, units, table))


if __name__ == "__main__":
    run_command(main)
