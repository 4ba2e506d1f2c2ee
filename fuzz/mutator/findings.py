"""Findings on disk: a folder each, with the model, its inputs and what is wrong in a line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

MOST_OF_A_KIND = 10


class Findings:
    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self._kinds: dict[str, int] = {}

    def add(
        self, name: str, line: str, model: bytes, sets: list[dict[str, np.ndarray]]
    ) -> Path | None:
        """Writes one, unless there are many of its kind; returns where it lies."""
        self.count += 1
        kind = re.sub(r"'[^']*'|[-+.\d]+(e[-+]?\d+)?", "#", line)[:60]
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self._kinds[kind] > MOST_OF_A_KIND:
            return None
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "model.onnx").write_bytes(model)
        (path / "finding.txt").write_text(f"{name}: {line}\n")
        write_sets(path, sets)
        return path


def write_sets(path: Path, sets: list[dict[str, np.ndarray]]) -> None:
    names = []
    for i, inputs in enumerate(sets):
        names.append({})
        for j, (name, array) in enumerate(inputs.items()):
            np.save(path / f"set{i}_in{j}.npy", array)
            names[-1][name] = f"set{i}_in{j}.npy"
    (path / "sets.json").write_text(json.dumps(names, indent=1))


def read_sets(path: Path) -> list[dict[str, np.ndarray]] | None:
    """What `write_sets` wrote, or None where there is no such file."""
    listed = path / "sets.json"
    if not listed.exists():
        return None
    return [
        {name: np.load(path / file) for name, file in inputs.items()}
        for inputs in json.loads(listed.read_text())
    ]
