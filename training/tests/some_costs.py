"""A table of costs with round numbers, for the tests: of the units of ResNet-20."""

from __future__ import annotations

import json
from pathlib import Path

from sluice_training.nets import make_net
from sluice_training.units import find_units, image_size

# Milliseconds of a block, dense and by grain. Grain 4 gains at any density, grain 1 below a half,
# where its curve bends, and grain 8 never.
BLOCK = 1.0
GATES = {
    "1": {"fixed_ms": 0.1, "densities": [0, 0.5, 1], "ms": [0.2, 0.9, 1.2]},
    "4": {"fixed_ms": 0.05, "densities": [1, 0], "ms": [1.0, 0.1]},
    "8": {"fixed_ms": 0.1, "densities": [0, 1], "ms": [1.0, 1.1]},
    "map": {"fixed_ms": 0.05, "densities": [0, 1], "ms": [0.05, 1.05]},
}
# In the last stage nothing pays but skipping the whole map.
LATE = {"1": GATES["8"], "4": GATES["8"], "map": GATES["map"]}
OTHER = 0.25


def write_table(folder: Path, target: str = "some") -> Path:
    """Writes TARGET.json in fp32: nine blocks of BLOCK, two other layers of OTHER."""
    model = make_net("resnet20", 10)
    rows = {}
    for unit in find_units(model, image_size(model)):
        row = {"unit": unit.key, "precision": "fp32", "dense_ms": OTHER}
        if unit.is_block:
            row |= {"dense_ms": BLOCK, "gates": GATES if unit.stage < 2 else LATE}
        rows[unit.key] = row
    path = folder / f"{target}.json"
    machine = {"cpu": "a slide rule"}
    table = {"target": target, "measured": "2026-01-02", "machine": machine}
    path.write_text(json.dumps(table | {"units": list(rows.values())}))
    return path
