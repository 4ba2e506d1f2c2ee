"""fuzz_run: our side, every target and number of threads, each model in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

Sets = list[list[np.ndarray]]


@dataclass(frozen=True)
class Variant:
    target: str
    threads: int = 1
    winograd: bool = True
    guard: str = "end"

    def __str__(self) -> str:
        plain = "" if self.winograd else " without Winograd"
        return f"{self.target}{plain}, {self.threads} thread{'s' * (self.threads > 1)}"


@dataclass
class Limits:
    """Seconds are of processor time; a run has one more for every 10^9 MACs."""

    load_seconds: float = 5
    run_seconds: float = 5
    most_macs: int = 100_000_000
    most_elements: int = 1 << 19
    most_bytes: int = 1 << 29

    def slowed(self, factor: float) -> Limits:
        return replace(
            self,
            load_seconds=self.load_seconds * factor,
            run_seconds=self.run_seconds * factor,
            most_macs=int(self.most_macs / factor),
        )


@dataclass
class Trial:
    """What came of a model: `outputs[variant][set][output]` where it ran."""

    outcome: str
    message: str = ""
    phase: str = ""
    macs: int = 0
    load_seconds: float = 0
    run_seconds: float = 0
    names: list[str] = field(default_factory=list)
    gates: list[dict] = field(default_factory=list)
    variants: int = 0
    outputs: list[list[list[np.ndarray]]] = field(default_factory=list)


def variants_of(targets: list[str]) -> list[Variant]:
    """Each target without Winograd and with it, and the first once more, with three threads."""
    sides = ("end", "start")
    plain = [Variant(t, winograd=False, guard=sides[i % 2]) for i, t in enumerate(targets)]
    fast = [Variant(t, guard=sides[(i + 1) % 2]) for i, t in enumerate(targets)]
    return [*plain, *fast, Variant(targets[0], threads=3, guard="end")]


class Runner:
    """`command` starts fuzz_run, under an emulator perhaps."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self.targets = subprocess.run(
            [*command, "--targets"], check=True, text=True, capture_output=True
        ).stdout.split()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="sluice_fuzz.", dir=memory)
        self._path = Path(self._folder.name)

    def ask(self, model: bytes, sets: Sets, variants: list[Variant], limits: Limits) -> None:
        """Begins; `answer` waits for what comes of it."""
        self._sets, self._variants = sets, variants
        (self._path / "model.onnx").write_bytes(model)
        described = []
        for i, values in enumerate(sets):
            described.append([])
            for j, array in enumerate(values):
                file = self._path / f"set{i}_in{j}"
                np.ascontiguousarray(array, np.float32).tofile(file)
                described[-1].append({"file": str(file), "shape": list(array.shape)})
        job = {
            "model": str(self._path / "model.onnx"),
            "output": str(self._path / "output"),
            "sets": described,
            "variants": [asdict(v) for v in variants],
            **asdict(limits),
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Trial:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._command[-1]} ended with {self._process.wait()}")
        result = json.loads(line)
        shapes = [output["shape"] for output in result.pop("outputs", None) or []]
        names = [output["name"] for output in json.loads(line).get("outputs") or []]
        trial = Trial(**{**result, "gates": result.get("gates") or []}, names=names)
        if trial.outcome == "ran" and self._sets:
            trial.outputs = self._read(shapes)
        return trial

    def _read(self, shapes: list[list[int]]) -> list[list[list[np.ndarray]]]:
        values = np.fromfile(self._path / "output", np.float32)
        at, outputs = 0, []
        for _ in self._variants:
            outputs.append([])
            for _ in self._sets:
                outputs[-1].append([])
                for shape in shapes:
                    size = int(np.prod(shape))
                    outputs[-1][-1].append(values[at : at + size].reshape(shape))
                    at += size
        return outputs

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()
