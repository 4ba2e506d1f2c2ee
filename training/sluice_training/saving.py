"""The table of what gates save in a network, as costs.py prints it."""

from __future__ import annotations

from collections.abc import Sequence

from sluice_training.costs import (
    HALF,
    LEAST_SAVING,
    CostTable,
    blocks_that_gain,
    propose_grains,
)
from sluice_training.units import Unit


def describe(net: str, units: Sequence[Unit], table: CostTable) -> str:
    """Markdown: a row per unit, what each grain saves at half density, and a proposal of grains."""
    grains = _grains(units, table)
    total = sum(table.of(unit).dense_ms for unit in units)
    lines = [
        f"{net} on {table.name}: {total:.4g} ms dense, predicted. Measured {table.measured} on "
        f"{table.cpu}.",
        *([f"Rough: {table.load:.0f} processes shared its cores meanwhile."] if table.load > 1 else []),
        "",
        f"Microseconds that a gate saves of each unit at a density of {HALF:g}, its branch and lists "
        "paid for, by grain or LCCL form; in brackets the share of the unit's time, and what branch "
        "and lists take.",
        "",
        "| " + " | ".join(["units", "what", "dense", *grains]) + " |",
        "|" + "---|" * 2 + "---:|" * (1 + len(grains)),
    ]
    for alike in _alike(units):
        cost = table.of(alike[0])
        cells = [_names(alike), alike[0].key, f"{1000 * cost.dense_ms:.1f}"]
        for grain in grains:
            gate = cost.gates.get(grain)
            if gate is None:
                cells.append("")
                continue
            saving = cost.saving(grain)
            cells.append(
                f"{1000 * saving:.1f} ({saving / cost.dense_ms:.0%}, {1000 * gate.fixed_ms:.1f})"
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_proposal(units, table, total)])


def _proposal(units: Sequence[Unit], table: CostTable, total: float) -> list[str]:
    proposed = propose_grains(units, table)
    lines = [f"Proposal: --grains {','.join(proposed)}"]
    gaining = blocks_that_gain(units, table, proposed)
    names = {unit.name for unit, _ in gaining}
    left = [unit.name for unit in units if unit.is_block and unit.name not in names]
    if left:
        lines.append(
            f"Left dense, since gates save less than {LEAST_SAVING:.0%} of their time at half "
            f"density: {', '.join(left)}"
        )
    for density in (0.7, 0.5, 0.3):
        saved = sum(table.of(unit).saving(grain, density) for unit, grain in gaining)
        lines.append(f"At a density of {density:g} in the others: {1 - saved / total:.2f} of the dense time")
    return lines


def _grains(units: Sequence[Unit], table: CostTable) -> list[str]:
    found: dict[str, None] = {}
    for unit in units:
        found.update(dict.fromkeys(table.of(unit).gates))
    return list(found)


def _alike(units: Sequence[Unit]) -> list[list[Unit]]:
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(unit.key, []).append(unit)
    return list(groups.values())


def _names(units: list[Unit]) -> str:
    names = [unit.name for unit in units]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1].rpartition('.')[2]}"
