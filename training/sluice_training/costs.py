"""Tables of what the units of a network cost in milliseconds, gated and not; predictions by them.

A table is measured on one machine for one target by measure_costs.py; README.md, "A budget in
milliseconds", says how to read it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from sluice_training.errors import TrainingError
from sluice_training.units import Unit, densities_by_unit, find_units, gate_key, image_size

COSTS = Path(__file__).resolve().parent.parent / "costs"
PRECISIONS = ("fp32", "int8")
# What a gate saves for each unit of density is the slope of the chord between these.
CHORD = (0.1, 1.0)
# The density at which grains are compared.
HALF = 0.5
# A unit whose gate saves less of its time at half density is left dense.
LEAST_SAVING = 0.05
# Of the saving of the best grain, what a finer one must reach to be proposed in its place.
CLOSE = 0.8


@dataclass(frozen=True)
class GateCost:
    """A unit with a gate: ms at densities, ascending; its branches and lists are in them.

    fixed_ms: of branches and lists alone. Below and above the measured densities the nearest counts.
    """

    densities: tuple[float, ...]
    ms: tuple[float, ...]
    fixed_ms: float

    def at(self, density: float) -> float:
        """Interpolated between the two densities around."""
        if density <= self.densities[0]:
            return self.ms[0]
        if density >= self.densities[-1]:
            return self.ms[-1]
        high = bisect_left(self.densities, density)
        low = high - 1
        share = (density - self.densities[low]) / (self.densities[high] - self.densities[low])
        return self.ms[low] + share * (self.ms[high] - self.ms[low])

    @property
    def slope(self) -> float:
        """What a unit of density costs."""
        return (self.at(CHORD[1]) - self.at(CHORD[0])) / (CHORD[1] - CHORD[0])


@dataclass(frozen=True)
class UnitCost:
    """dense_ms by the fastest kernels that a plan takes; gates by grain or by LCCL form."""

    dense_ms: float
    gates: dict[str, GateCost] = field(default_factory=dict)

    def saving(self, grain: str, density: float = HALF) -> float:
        """Milliseconds; negative where the gate costs more than it saves."""
        return self.dense_ms - self.gates[grain].at(density)


@dataclass(frozen=True)
class CostTable:
    """The costs of one target and precision, by the units' keys.

    load: processes that wanted a core when the measurement began; above 1 its times are rough.
    """

    path: Path
    target: str
    precision: str
    cpu: str
    measured: str
    units: dict[str, UnitCost]
    load: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.target}-{self.precision}"

    def of(self, unit: Unit) -> UnitCost:
        cost = self.units.get(unit.key)
        if cost is None:
            raise TrainingError(
                f"{self.path}: has no '{unit.key}' in {self.precision}; measure it with "
                "measure_costs.py"
            )
        return cost

    def gate(self, unit: Unit, grain: str) -> GateCost:
        gates = self.of(unit).gates
        if grain not in gates:
            raise TrainingError(
                f"{self.path}: has no gate '{grain}' for '{unit.key}' in {self.precision}; "
                "measure it with measure_costs.py"
            )
        return gates[grain]


@dataclass(frozen=True)
class NetworkTime:
    """Milliseconds for an image, predicted; by_unit: dense and gated, by the units' names."""

    dense_ms: float
    ms: float
    by_unit: dict[str, tuple[float, float]]

    @property
    def share(self) -> float:
        return self.ms / self.dense_ms

    def record(self) -> dict[str, float]:
        """What a run's log says of it."""
        return {"predicted_ms": round(self.ms, 4), "predicted_share": round(self.share, 4)}


def split_name(name: str) -> tuple[str, str]:
    """'avx2-int8' as target and precision."""
    target, _, precision = name.rpartition("-")
    if not target or precision not in PRECISIONS:
        raise TrainingError(f"costs '{name}': name a target and a precision, as avx2-int8")
    return target, precision


def read_costs(name: str, folder: Path = COSTS) -> CostTable:
    """The table of a target and precision, named as 'avx2-int8'."""
    target, precision = split_name(name)
    path = folder / f"{target}.json"
    if not path.exists():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.json"))) or "none"
        raise TrainingError(f"{path}: no costs of this target (there are: {known})")
    try:
        stored = json.loads(path.read_text())
        units = {
            row["unit"]: _unit_cost(row) for row in stored["units"] if row["precision"] == precision
        }
        table = CostTable(
            path,
            stored["target"],
            precision,
            stored["machine"]["cpu"],
            stored["measured"],
            units,
            float(stored.get("load_average", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise TrainingError(f"{path}: not a table of costs ({error}); measure it anew") from error
    if not units:
        raise TrainingError(f"{path}: has no costs in {precision}; measure them")
    return table


def _unit_cost(row: Mapping[str, Any]) -> UnitCost:
    gates = {}
    for grain, gate in row.get("gates", {}).items():
        points = sorted(zip(gate["densities"], gate["ms"], strict=True))
        densities = tuple(float(density) for density, _ in points)
        times = tuple(float(ms) for _, ms in points)
        gates[grain] = GateCost(densities, times, float(gate["fixed_ms"]))
        if not densities:
            raise ValueError(f"no densities of {row['unit']}")
    return UnitCost(float(row["dense_ms"]), gates)


def predict(
    model: nn.Module, table: CostTable, by_gate: Mapping[str, float] | None = None
) -> NetworkTime:
    """The time of a network on images of its usual size.

    by_gate: the densities of its gated layers and gated blocks, by their names; those that are not
    given count as 1.
    """
    units = find_units(model, image_size(model))
    return predict_units(units, table, dict(by_gate or {}))


def predict_units(
    units: Sequence[Unit], table: CostTable, by_gate: dict[str, float]
) -> NetworkTime:
    densities = densities_by_unit(list(units), by_gate)
    by_unit = {}
    for unit in units:
        dense = table.of(unit).dense_ms
        grain = gate_key(unit)
        gated = dense
        if grain is not None:
            gated = table.gate(unit, grain).at(densities.get(unit.name, 1.0))
        by_unit[unit.name] = (dense, gated)
    return NetworkTime(
        sum(dense for dense, _ in by_unit.values()),
        sum(gated for _, gated in by_unit.values()),
        by_unit,
    )


def propose_grains(units: Sequence[Unit], table: CostTable) -> list[str]:
    """A grain for each stage, or 'none', by what its blocks save at half density together.

    Finer gates cost less accuracy. So a finer grain is proposed where it saves CLOSE of what the
    best one does, and the whole map only where nothing else saves LEAST_SAVING.
    """
    stages: dict[int, list[Unit]] = {}
    for unit in units:
        if unit.is_block:
            stages.setdefault(unit.stage, []).append(unit)
    return [_propose_grain(blocks, table) for _, blocks in sorted(stages.items())]


def _propose_grain(blocks: list[Unit], table: CostTable) -> str:
    dense = sum(table.of(block).dense_ms for block in blocks)
    savings: dict[str, float] = {}
    for grain in ("1", "2", "4", "8", "map"):
        costs = [table.of(block) for block in blocks]
        if all(grain in cost.gates for cost in costs):
            savings[grain] = sum(max(cost.saving(grain), 0.0) for cost in costs)
    fine = {grain: saving for grain, saving in savings.items() if grain != "map"}
    for offered in (fine, savings):
        best = max(offered.values(), default=0.0)
        if best >= LEAST_SAVING * dense:
            return next(grain for grain, saving in offered.items() if saving >= CLOSE * best)
    return "none"


def blocks_that_gain(
    units: Sequence[Unit], table: CostTable, grains: Sequence[str]
) -> list[tuple[Unit, str]]:
    """The blocks whose gate saves LEAST_SAVING of their time at half density, with their grains.

    grains: of each stage, or one for all.
    """
    found = []
    for unit in units:
        if not unit.is_block:
            continue
        grain = grains[unit.stage] if len(grains) > 1 else grains[0]
        if grain == "none":
            continue
        table.gate(unit, grain)
        cost = table.of(unit)
        if cost.saving(grain) >= LEAST_SAVING * cost.dense_ms:
            found.append((unit, grain))
    return found
