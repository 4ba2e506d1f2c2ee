"""The one error that the command lines print as a single line."""

from __future__ import annotations

import sys
from collections.abc import Callable


class TrainingError(Exception):
    """Input that cannot be used: the message names the file and what to do about it."""


def run_command(command: Callable[[], None]) -> None:
    """Run a command line's body; a TrainingError becomes one line on stderr and exit code 2."""
    try:
        command()
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the newest checkpoint is kept", file=sys.stderr)
        sys.exit(130)
