"""Runs the tests of training/ with .venv-train; exits with SKIPPED where PyTorch is not there.

    run_pytest.py SOURCE_ROOT
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SKIPPED = 77


def main() -> int:
    root = Path(sys.argv[1])
    python = root / ".venv-train" / "bin" / "python"
    if not python.exists():
        print("skipped: PyTorch is not installed; make train-setup installs it")
        return SKIPPED
    probe = [str(python), "-c", "import torch, pytest, sluice_training"]
    done = subprocess.run(probe, capture_output=True, text=True)
    if done.returncode:
        what = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"skipped: .venv-train lacks a part ({what}); make train-setup installs it")
        return SKIPPED
    return subprocess.run([str(python), "-m", "pytest", "-q"], cwd=root / "training").returncode


if __name__ == "__main__":
    sys.exit(main())
