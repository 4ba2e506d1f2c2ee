"""The program sluice, run for what it measures."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._errors import Error, failure


class Program:
    """Runs the commands of the program at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, command: str, *words: str) -> Iterator[str]:
        """What the command prints, line by line. Raises Error with its first message where it fails."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages:
            try:
                process = subprocess.Popen([self.path, command, *words], stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=messages, encoding="utf-8")
            except OSError as error:
                raise failure(str(error.strerror), "install the package again", str(self.path)) from error
            with process:
                assert process.stdout is not None
                yield from process.stdout
            if process.returncode:
                messages.seek(0)
                raise _error(command, process.returncode, messages.read())

    def benchmark(self, model: Path, *words: str) -> dict[str, Any]:
        """What the benchmark measures of a model, as its --json."""
        with tempfile.TemporaryDirectory(prefix="sluice-report-") as folder:
            written = Path(folder) / "times.json"
            for _ in self.lines("benchmark", "--model", str(model), "--json", str(written), *words):
                pass
            found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
            return found


def _error(command: str, status: int, said: str) -> Error:
    """The first thing that the command said, without its name."""
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    if first:
        return Error(first.removeprefix(f"{command}: "))
    return failure(f"sluice {command} ended with status {status}", f"run sluice {command} by itself")
