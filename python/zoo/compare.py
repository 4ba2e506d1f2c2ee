"""Sluice against ONNX Runtime on one file."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

SYMBOLIC_BATCH = 2
SEED = 1
LONGEST_RUN_S = 600
EXIT_RIGHT, EXIT_WRONG, EXIT_REFUSED = 0, 1, 2


@dataclass(frozen=True)
class Outcome:
    kind: str  # "agrees", "refused", "wrong" or "not exported"
    difference: float | None = None  # the largest, as a share of the output's largest magnitude
    message: str = ""

    def __str__(self) -> str:
        return self.kind if self.difference is None else f"{self.kind} ({self.difference:.1e})"


def write_tensors(path: Path, folder: Path) -> list[str]:
    """The arguments of `run` that name random inputs and what ONNX Runtime makes of them."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    random = np.random.default_rng(SEED)
    feeds, arguments = {}, []
    for i, value in enumerate(session.get_inputs()):
        shape = [n if isinstance(n, int) else SYMBOLIC_BATCH for n in value.shape]
        feeds[value.name] = random.standard_normal(shape, dtype=np.float32)
        np.save(folder / f"x{i}.npy", feeds[value.name])
        arguments += ["--input", f"{value.name}={folder}/x{i}.npy"]
    for i, (value, array) in enumerate(zip(session.get_outputs(), session.run(None, feeds))):
        np.save(folder / f"y{i}.npy", array)
        arguments += ["--expect", f"{value.name}={folder}/y{i}.npy"]
    return arguments


def compare(path: Path, program: Path) -> Outcome:
    """What `program`, apps/run, makes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = write_tensors(path, Path(folder))
        try:
            done = subprocess.run([program, "--model", path, "--json", *arguments], text=True,
                                  capture_output=True, timeout=LONGEST_RUN_S)
        except subprocess.TimeoutExpired:
            return Outcome("wrong", message=f"takes more than {LONGEST_RUN_S} s")
    if done.returncode == EXIT_REFUSED:
        message = done.stderr.strip().removeprefix("run: ").removeprefix(f"{path}: ")
        return Outcome("refused", message=message)
    if done.returncode not in (EXIT_RIGHT, EXIT_WRONG):
        return Outcome("wrong", message=f"ends with {done.returncode}: {done.stderr.strip()}")
    expectations = [output["expectation"] for output in json.loads(done.stdout)["outputs"]]
    difference = max(e.get("relative_difference", float("inf")) for e in expectations)
    return Outcome("agrees" if done.returncode == EXIT_RIGHT else "wrong", difference)
