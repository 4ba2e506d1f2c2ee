"""Model cards: what a person should know about a file in models/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sluice_training.macs import MacsReport


def write_card(
    path: Path,
    title: str,
    facts: dict[str, str],
    accuracies: dict[str, float],
    macs: MacsReport,
    log: Path,
) -> None:
    """Write the Markdown card: facts, the time in the run's log, accuracies, MACs and gates."""
    lines = [f"# {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    records = [json.loads(line) for line in log.read_text().splitlines()]
    seconds = sum(record["seconds"] for record in records)
    lines.append(f"| training | {len(records)} epochs, {seconds / 60:.1f} min |")
    for split, accuracy in accuracies.items():
        lines.append(f"| {split} accuracy (ONNX Runtime) | {accuracy:.2%} |")
    lines += [f"| {name} | {value} |" for name, value in _macs_rows(macs).items()]
    if macs.layers:
        lines += ["", "Gates, on the validation images:", ""]
        lines += ["| layer | MACs | LCCL branch MACs | density |", "|---|---|---|---|"]
        lines += [
            f"| {layer.name} | {layer.conv:,} | {layer.branch:,} | {layer.density:.3f} |"
            for layer in macs.layers
        ]
    path.write_text("\n".join(lines) + "\n")


def _macs_rows(macs: MacsReport) -> dict[str, Any]:
    rows: dict[str, Any] = {"MACs, dense": f"{macs.dense:,}"}
    if macs.layers:
        rows["MACs, LCCL branches"] = f"{macs.branches:,}"
        rows["MACs executed, mean"] = f"{macs.executed:,.0f}"
        rows["net MACs cut"] = f"{macs.cut:.1%}"
        rows["net MACs cut by live gates"] = f"{macs.cut_by_live_gates:.1%}"
    if macs.dead_blocks:
        rows["blocks that are never computed"] = ", ".join(macs.dead_blocks)
    return rows
