"""sluice report MODEL IMAGES -o report.html"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .._errors import Error, failure
from .program import Program

DRAWN, RUNS, SECONDS = 8, 3, 1.0


class OneLineParser(argparse.ArgumentParser):
    """Reports a bad option as everything else that goes wrong, in one line."""

    def error(self, message: str) -> None:
        raise failure(message, "see sluice report --help")


def _at_least(least: float, kind: type) -> object:
    def read(text: str) -> float:
        value = kind(text)
        if not value >= least:
            raise ValueError
        return value

    read.__name__ = f"number of at least {least:g}"  # argparse names it in its message
    return read


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="sluice report", allow_abbrev=False,
        description="Writes a page of one file: each gate's mask over the images, density and time of each gated "
                    "layer, and the plan as a graph. docs/report.md says how each figure is measured.")
    parser.add_argument("model", metavar="MODEL", type=Path, help="ONNX file of a network that classifies images")
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="images, and folders to search for them and below")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="the page to write")
    parser.add_argument("--dense", metavar="MODEL", type=Path,
                        help="a network without gates whose time per image is measured in turn with the other's")
    parser.add_argument("--labels", metavar="FILE", help="class names, one per line; default: the model's own")
    parser.add_argument("--size", metavar="HxW", help="height and width of an input whose file leaves them symbolic")
    parser.add_argument("--target", metavar="T", help="instruction set of the kernels; default: the best of this CPU")
    parser.add_argument("--drawn", metavar="N", type=_at_least(0, int), default=DRAWN,
                        help=f"images whose masks are drawn, the first ones; default {DRAWN}. Densities are of all")
    parser.add_argument("--runs", metavar="N", type=_at_least(1, int), default=RUNS,
                        help=f"runs of the benchmark, whose spread is shown; default {RUNS}")
    parser.add_argument("--seconds", metavar="S", type=_at_least(0.01, float), default=SECONDS,
                        help=f"time for the network, and for its layers, in each run; default {SECONDS:g}")
    return parser


def _check_output(path: Path) -> None:
    """What would fail after the measurements fails at once."""
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise failure("cannot be written", "choose a folder that exists and is writable", str(path))
    if path.is_dir():
        raise failure("is a folder", "name a file with --output", str(path))


def _write(path: Path, text: str) -> None:
    """Aside, then renamed, so that no half of a page is left."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        try:
            aside.write_text(text, encoding="utf-8")
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise failure(f"cannot be written ({error.strerror})", "choose another folder", str(path)) from error


def report(arguments: argparse.Namespace, program: Program) -> str:
    """The page, as HTML."""
    try:
        from . import page  # what needs the packages of the extra
    except ModuleNotFoundError as error:
        raise failure(f"needs the package {error.name}", "pip install 'sluice-cnn[report]'") from error
    return page.make(arguments, program)


def main(words: list[str], program: Path) -> int:
    """The exit status."""
    try:
        arguments = _parser().parse_args(words)
        _check_output(arguments.output)
        text = report(arguments, Program(program))
        _write(arguments.output, text)
        print(f"{arguments.output}: {len(text.encode()) / 1000:.0f} kB")
    except Error as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
