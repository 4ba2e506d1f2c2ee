#!/usr/bin/env python3
"""Write the narrow networks of tests/zoo: an archive per network of both exporters' files, without
weights and names.

Whole files stay in --exports, and are not exported again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
import torch

import narrow
from archive import write_archive
from command_line import OneLineParser, run
from export import BATCHES, EXPORTERS, write_onnx
from strip import strip
from weights import randomise


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, prog="make_narrow")
    parser.add_argument("--exports", type=Path, required=True, help="the folder of the exported files")
    parser.add_argument("--output", type=Path, required=True, help="the folder of the archives")
    names = [network.name for network in narrow.NETWORKS]
    parser.add_argument("--network", nargs="+", choices=names, default=names, metavar="NAME",
                        help="only these: " + ", ".join(names))
    return parser.parse_args()


def export(name: str, folder: Path) -> dict[str, Path]:
    """The files of a network by their names in its archive."""
    names = [network.name for network in narrow.NETWORKS]
    model, paths = None, {}
    for exporter in EXPORTERS:
        for batch in BATCHES:
            path = folder / f"{name}_{exporter}_b{batch}.onnx"
            paths[f"{exporter}_batch{batch}.onnx"] = path
            if path.exists():
                continue
            if model is None:
                model, shape = narrow.build(name)
                randomise(model, shape, seed=names.index(name))
            write_onnx(model, shape, exporter, batch, path)
    return paths


def main() -> int:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    for folder in (arguments.exports, arguments.output):
        folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.network:
        files = {member: strip(onnx.load(path)).SerializeToString(deterministic=True)
                 for member, path in export(name, arguments.exports).items()}
        path = arguments.output / f"{name}.tar.xz"
        write_archive(path, files)
        print(f"{path}: {path.stat().st_size} bytes", flush=True)
    return 0


if __name__ == "__main__":
    run("make_narrow", main)
