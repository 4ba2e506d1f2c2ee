"""Runs the tests of this folder with .venv-ray, on the package of a build folder.

    run_tests.py [--skip] SOURCE_ROOT PACKAGE_FOLDER

Without Ray it fails, or with --skip says so and exits with SKIPPED.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SKIPPED = 77


def main() -> int:
    skip = "--skip" in sys.argv
    root, package = (Path(word).resolve() for word in sys.argv[-2:])
    python = root / ".venv-ray" / "bin" / "python"
    probe = [str(python), "-c", "import ray.data, PIL"]
    if not python.exists() or subprocess.run(probe, capture_output=True).returncode:
        print("skipped: Ray is not installed; make test-ray installs it" if skip else
              f"{python} has no Ray; run make ray-setup")
        return SKIPPED if skip else 1
    # Ray imports modules by their path in every worker, and reports its use unless told not to.
    environment = {**os.environ, "PYTHONPATH": f"{package}:{root / 'python' / 'scale'}",
                   "RAY_USAGE_STATS_ENABLED": "0"}
    tests = [str(python), "-m", "unittest", "discover", "-v", "-s", str(root / "tests" / "ray")]
    return subprocess.run(tests, cwd=root, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
