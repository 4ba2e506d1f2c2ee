#!/usr/bin/env python3
"""Write the tables of networks, from models/index.json and from what the benchmark measured.

README has the trained gated networks, docs/benchmarks.md all that were measured.

With --times, the benchmark's JSON becomes the digest of its target in docs/times first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from errors import ModelsError, status_of
from tables import describe, summarise
from times import digest, read_all, to_text
from write_index import INDEX, read_index, write_text

BEGIN, END = "<!-- networks: written by make readme-table -->", "<!-- networks: end -->"


def parse_arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="write_readme")
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--digests", type=Path, default=Path("docs/times"))
    parser.add_argument("--times", type=Path, nargs="+", help="JSON of the benchmark, of one run")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    return parser.parse_args(words)


def replaced(text: str, path: Path, table: str) -> str:
    """The text with the table between the markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ModelsError(f"{path}: lacks the lines '{BEGIN}' and '{END}'; add them")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def write(arguments: argparse.Namespace) -> None:
    if arguments.times:
        times = digest(arguments.times)
        write_text(arguments.digests / f"{times.target}.json", to_text(times))
    index = read_index(arguments.models / INDEX)
    measured = read_all(arguments.digests)
    put(summarise(index, measured), arguments.readme, arguments.check)
    put(describe(index, measured), arguments.page, arguments.check)


def put(table: str, path: Path, check: bool) -> None:
    """Writes the table between the markers of a file, or fails where it is not there yet."""
    text = path.read_text()
    wanted = replaced(text, path, table)
    if check and text != wanted:
        raise ModelsError(f"{path}: its table is out of date; run make readme-table")
    if not check:
        write_text(path, wanted)
        print(f"{path}: {table.count(chr(10))} lines of table")


def main(words: list[str] | None = None) -> int:
    arguments = parse_arguments(words)
    return status_of("write_readme", lambda: write(arguments))


if __name__ == "__main__":
    sys.exit(main())
