"""What the benchmark measured of the networks: digests of its JSON, in docs/times/TARGET.json."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import ModelsError

OURS = "sluice"
FIELDS = ("file", "engine", "precision", "weights", "inputs", "median_ms", "p10_ms", "p90_ms",
          "macs_executed")  # fmt: skip
PEAKS = ("fma_peak_gflops", "int8_peak_gops")


@dataclass(frozen=True)
class Times:
    """One run of the benchmark on one thread at batch 1: our target, the machine, a row per engine."""

    target: str
    machine: dict[str, Any]
    rows: list[dict[str, Any]]

    def ours(self, file: str) -> dict[str, Any] | None:
        return next((row for row in self.of(file) if row["engine"] == OURS), None)

    def of(self, file: str) -> list[dict[str, Any]]:
        """The rows of a network, named as in the index or without folder and extension."""
        return [row for row in self.rows if row["file"] == Path(file).stem]

    def best_peer(self, file: str) -> dict[str, Any] | None:
        """The fastest of the other engines."""
        peers = [row for row in self.of(file) if row["engine"] != OURS]
        return min(peers, key=lambda row: row["median_ms"], default=None)

    def precisions(self) -> list[str]:
        return [p for p in ("fp32", "int8") if any(row["precision"] == p for row in self.rows)]


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelsError(f"{path}: cannot be read ({error}); name the benchmark's JSON") from error


def digest(paths: Iterable[Path]) -> Times:
    """What reports of one machine and one target say of networks; engines that were wrong are out."""
    found: dict[str, set[str]] = {"target": set(), "cpu": set()}
    machine: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for path in paths:
        report = read_json(path)
        try:
            found["cpu"].add(report["machine"]["cpu"])
            machine |= {
                key: report["machine"][key]
                for key in ("cpu", *PEAKS)
                if report["machine"].get(key) is not None
            }
            for row in report["results"]:
                if row["target"]:
                    found["target"].add(row["target"])
                if row["median_ms"] is not None and row["threads"] == row["batch"] == 1:
                    rows.append({key: row[key] for key in FIELDS})
        except (KeyError, TypeError) as error:
            raise ModelsError(f"{path}: is no JSON of the benchmark ({error})") from error
    for what, names in found.items():
        if len(names) != 1:
            raise ModelsError(
                f"reports of {len(names)} {what}s ({', '.join(sorted(names))}); a table is of one run: "
                "give those of one machine and target"
            )
    if not rows:
        raise ModelsError("the reports have no network on one thread at batch 1")
    return Times(found["target"].pop(), machine, rows)


def to_text(times: Times) -> str:
    rows = ",\n".join("  " + json.dumps(row) for row in times.rows)
    head = f' "target": {json.dumps(times.target)},\n "machine": {json.dumps(times.machine)},\n'
    return "{\n" + head + ' "rows": [\n' + rows + "\n ]\n}\n"


def read_times(path: Path) -> Times:
    stored = read_json(path)
    try:
        return Times(stored["target"], stored["machine"], stored["rows"])
    except (KeyError, TypeError) as error:
        raise ModelsError(f"{path}: is no digest ({error}); write it with write_readme.py") from error


def read_all(folder: Path) -> list[Times]:
    """Every digest of a folder, by target."""
    return [read_times(path) for path in sorted(folder.glob("*.json"))]
