#!/usr/bin/env python3
"""Write models/index.json: one entry for each network, from the cards and from the files' metadata."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from entries import Entry, make_index
from errors import ModelsError, status_of

INDEX = "index.json"


def parse_arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="write_index")
    parser.add_argument("--models", type=Path, default=Path("models"), help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    return parser.parse_args(words)


def to_text(entries: list[Entry]) -> str:
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def read_index(path: Path) -> list[Entry]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelsError(f"{path}: cannot be read ({error}); run make index") from error


def write_text(path: Path, text: str) -> None:
    """Write aside and rename, so that no half of a file is left."""
    aside = path.with_name(path.name + ".partial")
    try:
        aside.write_text(text)
        os.replace(aside, path)
    except OSError as error:
        raise ModelsError(f"{path}: cannot be written ({error.strerror})") from error


def write(arguments: argparse.Namespace) -> None:
    path = arguments.models / INDEX
    text = to_text(make_index(arguments.models))
    if not arguments.check:
        write_text(path, text)
        print(f"{path}: {len(json.loads(text))} networks")
    elif not path.exists() or path.read_text() != text:
        raise ModelsError(f"{path}: is not what cards and files say; run make index")


def main(words: list[str] | None = None) -> int:
    arguments = parse_arguments(words)
    return status_of("write_index", lambda: write(arguments))


if __name__ == "__main__":
    sys.exit(main())
