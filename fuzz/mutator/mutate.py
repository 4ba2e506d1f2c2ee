"""Fuzzes Sluice with random graphs and with mutations of graphs, and judges every answer.

A case is made of the seed and its number alone: `--seed S --only N` makes it again. ONNX Runtime is
the oracle where it accepts a model; our targets, Winograd and none, one thread and three, are
compared with it or with each other. Every finding goes to a folder of its own.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx

from draw import pick
from findings import Findings, read_sets
from inputs import input_shapes, make_sets
from judge import Judge, Verdict
from mutations import EDITS, mutate
from quantise import QUANTISED_EDITS, quantise
from random_graph import random_graph, seed_graph
from runner import Limits, Runner

SECONDS_PER_REPORT = 30
MOST_REASONS = 5
KINDS = ("graphs", "mutants", "quantised")


def make_case(kind: str, seed: int, number: int) -> tuple[bytes, list[dict[str, np.ndarray]], str]:
    """A model, its input sets, and what it is in a few words."""
    random = np.random.default_rng([seed, number])
    if kind == "graphs":
        model, what = random_graph(random), "random graph"
    elif kind == "quantised":
        model, what = random_graph(random, int(random.integers(1, 6))), "quantised graph"
        quantise(random, model)
        if number % 2:
            what = mutate(random, model, pick(random, (QUANTISED_EDITS, QUANTISED_EDITS + EDITS)))
    else:
        model = (
            seed_graph(random)
            if random.random() < 0.6
            else random_graph(random, int(random.integers(2, 5)))
        )
        what = mutate(random, model)
    shapes = input_shapes(model, int(random.integers(1, 4)))
    sets = make_sets(random, shapes) if shapes else []
    if kind == "quantised":  # which number NaN becomes, ONNX leaves open
        sets = sets[:2]
    return model.SerializeToString(), sets, what


class Campaign:
    """Runs cases and counts what came of them."""

    def __init__(self, judge: Judge, findings: Findings) -> None:
        self.judge, self.findings = judge, findings
        self.kinds: Counter = Counter()
        self.reasons: Counter = Counter()
        self.start = self.reported = time.monotonic()

    def run_case(self, name: str, what: str, model: bytes, sets) -> Verdict:
        verdict = self.judge.judge(model, sets)
        self.kinds[verdict.kind] += 1
        if verdict.kind == "refused":
            self.reasons[reason(verdict.line)] += 1
        elif verdict.kind == "finding":
            path = self.findings.add(name, f"{verdict.line} [{what}]", model, sets)
            print(
                f"finding: {name}: {verdict.line} [{what}]"
                + (f"\n  kept in {path}" if path else ""),
                flush=True,
            )
        if time.monotonic() - self.reported > SECONDS_PER_REPORT:
            self.report()
        return verdict

    def report(self) -> None:
        self.reported = time.monotonic()
        counts = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common())
        seconds, inputs = self.reported - self.start, sum(self.kinds.values())
        print(
            f"  {seconds:.0f} s: {inputs} inputs: {counts or 'none'}",
            flush=True,
        )

    def summary(self) -> None:
        self.report()
        for why, count in self.reasons.most_common(MOST_REASONS):
            print(f"    refused {count} times: {why}")
        print(
            f"mutate: {sum(self.kinds.values())} inputs, {self.findings.count} findings", flush=True
        )


def reason(message: str) -> str:
    """A refusal without the file and the numbers."""
    _, _, rest = message.partition(".onnx: ")
    return "".join("#" if c.isdigit() else c for c in rest)[:90]


def replay(campaign: Campaign, paths: list[Path]) -> None:
    """Folders as findings.py writes them, and files, for which inputs are drawn."""
    found = sorted(
        file for path in paths for file in ([path] if path.is_file() else path.rglob("*.onnx"))
    )
    for file in found:
        model = file.read_bytes()
        sets = read_sets(file.parent)
        if sets is None:
            random = np.random.default_rng(len(model))
            try:
                shapes = input_shapes(onnx.load_from_string(model), 2)
            except Exception:  # no ONNX file at all: the reader has to refuse it
                shapes = None
            sets = make_sets(random, shapes) if shapes else []
        name = file.parent.name if file.name == "model.onnx" else file.stem
        verdict = campaign.run_case(name, "replayed", model, sets)
        print(f"{file}: {verdict.kind} {verdict.line}".rstrip(), flush=True)
    if not found:
        raise SystemExit(f"mutate: no .onnx in {' '.join(map(str, paths))}")


def write_seeds(folder: Path, seed: int, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        model = seed_graph(random)
        if number % 3 == 0:
            quantise(random, model)
        (folder / f"seed_{seed}_{number}.onnx").write_bytes(model.SerializeToString())


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runner", metavar="COMMAND", help="fuzz_run, and what starts it")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz-findings"), metavar="DIR")
    parser.add_argument("--kind", choices=(*KINDS, "all"), default="all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, help="stop after so many")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument(
        "--first", type=int, default=0, metavar="N", help="number of the first case"
    )
    parser.add_argument("--only", type=int, metavar="N", help="run this case alone, and keep it")
    parser.add_argument(
        "--patience",
        type=float,
        default=1,
        metavar="FACTOR",
        help="by which limits of time are longer: for an emulator",
    )
    parser.add_argument("--replay", type=Path, nargs="+", metavar="PATH")
    parser.add_argument(
        "--write-seeds", type=Path, metavar="DIR", help="write models to begin with, and stop"
    )
    options = parser.parse_args()
    if not options.write_seeds and not options.runner:
        parser.error("--runner names fuzz_run of a build")
    return options


def cases(options: argparse.Namespace):
    """(kind, number), those of one kind and of all alike in what a number means."""
    if options.only is not None:
        numbers = [options.only]
    else:
        end = sys.maxsize if options.cases is None else options.first + options.cases
        numbers = range(options.first, end)
    for number in numbers:
        yield (
            (KINDS[number % len(KINDS)] if options.kind == "all" else options.kind),
            number,
        )


def main() -> int:
    options = read_options()
    if options.write_seeds:
        write_seeds(options.write_seeds, options.seed, options.cases or 100)
        return 0
    judge = Judge(Runner(shlex.split(options.runner)), Limits().slowed(options.patience))
    campaign = Campaign(judge, Findings(options.findings))
    print(f"mutate: {', '.join(map(str, judge.variants))}", flush=True)
    try:
        if options.replay:
            replay(campaign, options.replay)
        else:
            print(f"mutate: {options.kind}, seed {options.seed}", flush=True)
            end = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
            for kind, number in cases(options):
                if time.monotonic() > end:
                    break
                model, sets, what = make_case(kind, options.seed, number)
                name = f"{kind}_seed{options.seed}_{number}"
                verdict = campaign.run_case(name, what, model, sets)
                if options.only is not None:
                    print(f"{name}: {verdict.kind} {verdict.line} [{what}]")
                    campaign.findings.add(name, verdict.line, model, sets)
    except KeyboardInterrupt:
        print("mutate: interrupted")
    finally:
        judge.stop()
    campaign.summary()
    return 1 if campaign.findings.count else 0


if __name__ == "__main__":
    sys.exit(main())
