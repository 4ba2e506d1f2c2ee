"""Predicted times of runs, for report.py."""

from __future__ import annotations

from collections.abc import Sequence

from sluice_training.checkpoint import build_model
from sluice_training.costs import CostTable, predict
from sluice_training.errors import TrainingError
from sluice_training.summary import RunSummary


def predicted_times(runs: Sequence[RunSummary], table: CostTable) -> str:
    """Markdown: what each run's network takes at its last densities, as its costs predict."""
    lines = [
        "",
        f"## Times on {table.name}, predicted",
        "",
        f"For one image on one thread, by the costs of {table.measured} on {table.cpu}.",
        "",
        "| run | dense ms | ms | share |",
        "|---|---:|---:|---:|",
    ]
    for run in runs:
        densities = dict(zip(run.layers, run.last.get("densities", ())))
        try:
            time = predict(build_model(run.net, run.gate, run.classes), table, densities)
        except TrainingError as error:
            lines.append(f"| {run.name} | | | {error} |")
        else:
            lines.append(f"| {run.name} | {time.dense_ms:.4g} | {time.ms:.4g} | {time.share:.2f} |")
    return "\n".join(lines) + "\n"
