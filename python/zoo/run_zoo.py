#!/usr/bin/env python3
"""Export the networks that people use by both of PyTorch's exporters, and compare Sluice with ONNX
Runtime on them.

Files that are there already are not exported again. Exits with 1 where an answer is wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from command_line import OneLineParser, run
from compare import Outcome, compare
from errors import ZooError
from export import BATCHES, EXPORTERS, write_onnx
from networks import NETWORKS, Network
from weights import randomise

VARIANTS = [(exporter, batch) for exporter in EXPORTERS for batch in BATCHES]


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, prog="run_zoo")
    parser.add_argument("--run", type=Path, required=True, help="the program apps/run")
    parser.add_argument("--output", type=Path, required=True, help="the folder of the exported files")
    names = [network.name for network in NETWORKS]
    parser.add_argument("--network", nargs="+", choices=names, default=names, metavar="NAME",
                        help="only these: " + ", ".join(names))
    arguments = parser.parse_args()
    if not arguments.run.exists():
        raise ZooError(f"{arguments.run} is missing; run make build")
    return arguments


def paths_of(network: Network, folder: Path) -> dict[tuple[str, str], Path]:
    return {(exporter, batch): folder / f"{network.name}_{exporter}_b{batch}.onnx"
            for exporter, batch in VARIANTS}


def examine(network: Network, arguments: argparse.Namespace) -> list[Outcome]:
    """An outcome per variant."""
    model, outcomes = None, []
    for (exporter, batch), path in paths_of(network, arguments.output).items():
        if not path.exists() and model is None:
            model = randomise(network.build(), network.shape, seed=NETWORKS.index(network))
        try:
            if not path.exists():
                write_onnx(model, network.shape, exporter, batch, path)
            outcomes.append(compare(path, arguments.run))
        except ZooError as error:
            outcomes.append(Outcome("not exported", message=str(error)))
        print(f"{path.stem}: {outcomes[-1]}", flush=True)
    return outcomes


def print_table(results: dict[str, list[Outcome]]) -> None:
    rows = [["network", *(f"{exporter}, batch {batch}" for exporter, batch in VARIANTS)]]
    rows += [[name, *map(str, outcomes)] for name, outcomes in results.items()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def print_messages(results: dict[str, list[Outcome]]) -> None:
    for name, outcomes in results.items():
        for (exporter, batch), outcome in zip(VARIANTS, outcomes):
            if outcome.message:
                print(f"{name}, {exporter}, batch {batch}: {outcome.kind}: {outcome.message}")


def main() -> int:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = {network.name: examine(network, arguments) for network in NETWORKS
               if network.name in arguments.network}
    print_table(results)
    print_messages(results)
    outcomes = [outcome for row in results.values() for outcome in row]
    counts = {kind: sum(o.kind == kind for o in outcomes)
              for kind in ("agrees", "refused", "wrong", "not exported")}
    print("\nof", len(outcomes), "files:", ", ".join(f"{kind} {n}" for kind, n in counts.items()))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    run("run_zoo", main)
