"""Command lines that report what goes wrong in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from errors import ZooError


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise ZooError(f"{message}; see --help")


def run(name: str, main: Callable[[], int]) -> None:
    try:
        sys.exit(main())
    except ZooError as error:
        sys.exit(f"{name}: error: {error}")
