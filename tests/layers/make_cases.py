"""Writes what cmake/layers lists for the networks of models/ and of nets.py: a line a network and
target in cases.txt, and a file each with the names of kernels."""

import json
import sys
from pathlib import Path

import onnx

SOURCE, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "cmake/layers"))

import nets  # noqa: E402
from classes import Table, needs  # noqa: E402
from layers import Walk  # noqa: E402
from model import Model  # noqa: E402


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    models = sorted([*(SOURCE / "models").glob("*.onnx"), *(SOURCE / "tests/networks").glob("*.onnx")])
    for make in (nets.gated_network, nets.dense_network, nets.packed_network,
                 nets.block_network):
        models.append(FOLDER / f"{make.__name__}.onnx")
        onnx.save(make(), models[-1])
    table = Table(json.loads((SOURCE / "generators/kernels.json").read_text()))
    targets = json.loads((SOURCE / "schedules/targets.json").read_text())
    lines = []
    for model in models:
        layers = Walk(Model(model)).run().layers
        for target, row in targets.items():
            listed = FOLDER / f"{model.stem}.{target}.txt"
            listed.write_text("".join(f"{name}\n" for name in needs(table, layers, row["lanes"])))
            lines.append(f"{target} {listed} {model}\n")
    (FOLDER / "cases.txt").write_text("".join(lines))


main()
