#!/usr/bin/env python3
"""Measure what residual blocks cost, dense and gated, on this machine; writes costs/TARGET.json.

Nothing else may run meanwhile. The table holds every unit of the networks named, in float32 and in
int8: see README.md, "A budget in milliseconds".
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from sluice_training.checkpoint import replace_text
from sluice_training.costs import COSTS, PRECISIONS
from sluice_training.errors import TrainingError, run_command
from sluice_training.measure import BENCHMARK, GRAINS, ROOT, Question, measure_unit, rounded
from sluice_training.nets import make_net
from sluice_training.units import Unit, find_units, image_size

NETS = ("resnet20", "preresnet20", "resnet18")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="avx2 or another of the benchmark's targets")
    parser.add_argument("--net", nargs="+", default=NETS, help="default: %(default)s")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument(
        "--grains", nargs="+", choices=GRAINS, default=GRAINS, help="grains and LCCL forms; default: all"
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="for each network that is timed")
    parser.add_argument("--images", type=Path, default=ROOT / "apps/samples")
    parser.add_argument("--benchmark", type=Path, default=BENCHMARK)
    parser.add_argument("--output", type=Path, help="default: costs/TARGET.json")
    parser.add_argument(
        "--keep", action="store_true", help="keep the units of the file that are not measured now"
    )
    return parser.parse_args()


def units_of(nets: list[str]) -> list[Unit]:
    """The units of all networks, one of each key."""
    found: dict[str, Unit] = {}
    for net in nets:
        model = make_net(net, 10)
        for unit in find_units(model, image_size(model)):
            found.setdefault(unit.key, unit)
    return list(found.values())


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    path = arguments.output or COSTS / f"{arguments.target}.json"
    units = units_of(arguments.net)
    load = round(os.getloadavg()[0], 1)
    table: dict[str, Any] = {
        "target": arguments.target,
        "measured": datetime.date.today().isoformat(),
        "load_average": load,
        "seconds": arguments.seconds,
    }
    stored: dict[str, Any] = {}
    if arguments.keep and path.exists():
        stored = json.loads(path.read_text())
    rows: list[dict[str, Any]] = []
    for precision in arguments.precision:
        for unit in units:
            with tempfile.TemporaryDirectory() as scratch:
                question = Question(
                    arguments.target,
                    precision,
                    arguments.seconds,
                    arguments.images,
                    Path(scratch),
                    arguments.benchmark,
                    tuple(arguments.grains),
                )
                row, table["machine"] = measure_unit(unit, question)
            if stored and stored["machine"]["cpu"] != table["machine"]["cpu"]:
                raise TrainingError(f"{path}: is of another CPU; measure all of it, without --keep")
            rows.append(rounded(row))
            print(f"{precision}  {row['dense_ms']:9.4f} ms  {unit.key}", flush=True)
            done = {(row["unit"], row["precision"]) for row in rows}
            others = [row for row in stored.get("units", ()) if (row["unit"], row["precision"]) not in done]
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, to_json(table | {"units": rows + others}))
    print(f"{path}: {len(rows)} units; load average at the start {load:.1f}")


def to_json(table: dict[str, Any]) -> str:
    """One line for each unit and each of its gates."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in table.items()
             if key != "units"]  # fmt: skip
    units = []
    for row in table["units"]:
        fixed = {key: value for key, value in row.items() if key != "gates"}
        text = json.dumps(fixed)
        if "gates" in row:
            gates = [f'   {json.dumps(name)}: {json.dumps(gate)}' for name, gate in row["gates"].items()]
            text = text[:-1] + ', "gates": {\n' + ",\n".join(gates) + "}}"
        units.append("  " + text)
    return "\n".join(["{", *lines, ' "units": [', ",\n".join(units), " ]", "}"]) + "\n"


if __name__ == "__main__":
    run_command(main)
