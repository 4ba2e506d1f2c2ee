"""Runs the tests of training/ with .venv-train; exits with SKIPPED where PyTorch is not there.

    run_pytest.py SOURCE_ROOT

CI has installed it, so that its absence is a failure there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SKIPPED = 77


def without_torch(why: str) -> int:
    """The exit status where the tests cannot run."""
    print(f"skipped: {why}; make train-setup installs it")
    return 1 if os.environ.get("CI") else SKIPPED


def main() -> int:
    root = Path(sys.argv[1])
    python = root / ".venv-train" / "bin" / "python"
    if not python.exists():
        return without_torch("PyTorch is not installed")
    probe = [str(python), "-c", "import torch, pytest, sluice_training"]
    done = subprocess.run(probe, capture_output=True, text=True)
    if done.returncode:
        what = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return without_torch(f".venv-train lacks a part ({what})")
    return subprocess.run([str(python), "-m", "pytest", "-q"], cwd=root / "training").returncode


if __name__ == "__main__":
    sys.exit(main())
