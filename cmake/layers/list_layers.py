"""Lists the kernels that ONNX models need, for a build that has them as shape classes.

    list_layers.py SOURCE --out DIR --targets avx2 avx512 -- MODEL...
    list_layers.py SOURCE --print TARGET -- MODEL...

The first writes DIR/kernels.json, rows of the form of generators/kernels.json for what that lacks, each
with the targets that it is for, and DIR/<target>.json, their first numbers in the form of
schedules/tuned/<target>.json. The second prints the names of all specialised kernels that a target's
plans of the models could take, those of generators/kernels.json with them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

try:
    from classes import Classes, Table, first_numbers, needs
    from layers import Layer, Walk
    from model import Model, ModelError
except ModuleNotFoundError as fault:
    sys.exit(f"{fault}: install the packages of cmake/requirements.txt")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("source", type=Path, help="Sluice's source folder")
    parser.add_argument("--targets", nargs="+", default=[], help="of schedules/targets.json")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="folder to write")
    what.add_argument("--print", metavar="TARGET", help="print this target's kernels")
    parser.add_argument("models", type=Path, nargs="+")
    return parser.parse_args()


def read_layers(models: list[Path]) -> list[Layer]:
    layers: list[Layer] = []
    for path in models:
        walk = Walk(Model(path)).run()
        layers += walk.layers
        if walk.unknown:
            print(f"{path}: no kernels of its own for {', '.join(walk.unknown)}: grouped, dilated, not "
                  "2-D, or of a shape that onnx cannot infer", file=sys.stderr)
    return layers


def write(path: Path, value: object) -> None:
    """Leaves the file alone where it says that already: what depends on it is not made again."""
    text = json.dumps(value, indent=4, sort_keys=isinstance(value, dict)) + "\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def write_classes(arguments: argparse.Namespace, table: Table, layers: list[Layer],
                  lanes: dict[str, int], derived: set[str]) -> None:
    classes = Classes(table)
    known = table.specialised()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for target in arguments.targets:
        # One with a base takes these kernels from it.
        found = {name: need for name, need in needs(table, layers, lanes[target]).items()
                 if name not in known and target not in derived}
        tuned = json.loads((arguments.source / "schedules/tuned" / f"{target}.json").read_text())
        write(arguments.out / f"{target}.json",
              {name: first_numbers(table, tuned, need, lanes[target])
               for name, need in found.items()})
        classes.add(target, found)
    write(arguments.out / "kernels.json", classes.rows())


def main() -> int:
    arguments = parse_arguments()
    table = Table(json.loads((arguments.source / "generators/kernels.json").read_text()))
    targets = json.loads((arguments.source / "schedules/targets.json").read_text())
    lanes = {target: row["lanes"] for target, row in targets.items()}
    try:
        layers = read_layers(arguments.models)
    except ModelError as fault:
        print(fault, file=sys.stderr)
        return 2
    if arguments.out:
        write_classes(arguments, table, layers, lanes,
                      {target for target, row in targets.items() if "base" in row})
    else:
        print("\n".join(needs(table, layers, lanes[arguments.print])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
