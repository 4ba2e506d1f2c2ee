"""The command sluice: report, and for all else the program bin/sluice: classify, run, benchmark and explain."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("bin") / "sluice"


def main() -> int:
    """The exit status of report, or where the program cannot be started. Else it does not return."""
    words = sys.argv[1:]
    if words[:1] == ["report"]:
        from .report import command  # takes milliseconds, and few need it

        return command.main(words[1:], PROGRAM)
    if words[:1] == ["benchmark"] and "--peers" in words and "--peer-python" not in words:
        words += ["--peer-python", sys.executable]  # the engines that are installed beside us
    try:
        os.execv(PROGRAM, [str(PROGRAM), *words])
    except OSError as error:
        print(f"sluice: {PROGRAM}: {error.strerror}; install the package again", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
