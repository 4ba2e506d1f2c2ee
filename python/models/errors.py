"""What these programs report in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable


class ModelsError(Exception):
    """Names the file, what is wrong with it, and what to do."""


def status_of(program: str, body: Callable[[], None]) -> int:
    """The exit status of a program whose work is `body`: 2 after a ModelsError, which is printed."""
    try:
        body()
    except ModelsError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    return 0
