#!/usr/bin/env python3
"""The runs that the networks of models/ need: which are done, and which is next.

    plan.py --runs RUNS                                     list them, with hours to go
    plan.py --runs RUNS DATA --next                         train the next one, or go on with it
    plan.py --runs RUNS DATA --all                          one after the other until none is left
    plan.py --runs RUNS DATA --all --device cuda --together 6    six at a time, on one accelerator

DATA is --data10 D --data100 D --data-imagenette D, or those of them that the runs need.
On CPUs, start it once a core: a run's folder is held by one process. On an accelerator start NVIDIA's
multi-process service first (nvidia-cuda-mps-control -d), or the runs take turns. Interrupted runs go
on where they stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

from sluice_training.errors import TrainingError, run_command
from sluice_training.fleet import side_by_side
from sluice_training.loop import held, read_log
from sluice_training.schedule import PLAN, PlannedRun, hours_left, longest_first, ready
from sluice_training.teacher import LITE0

HERE = Path(__file__).resolve().parent
DATA = {"cifar10": "--data10", "cifar100": "--data100", "imagenette": "--data-imagenette"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs' folders")
    parser.add_argument("--data10", type=Path, help="CIFAR-10")
    parser.add_argument("--data100", type=Path, help="CIFAR-100")
    parser.add_argument("--data-imagenette", type=Path, help="Imagenette, folders of synsets")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="consider these runs alone")
    parser.add_argument("--next", action="store_true", help="train the next run")
    parser.add_argument("--all", action="store_true", help="train until none is left")
    parser.add_argument(
        "--together", type=int, default=1, metavar="N", help="with --all: N runs at a time"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    parser.add_argument("--speed", default="fused", help="as for train.py")
    parser.add_argument("--precision", help="as for train.py; fp32 on CPUs without bf16 units")
    return parser.parse_args()


def epochs_done(folder: Path) -> int:
    records = read_log(folder)
    return records[-1]["epoch"] if records else 0


def busy(folder: Path) -> bool:
    """Whether a process trains there: by its lock, or by a fresh log where it takes none."""
    if held(folder):
        return True
    records = read_log(folder)
    if not records or (folder / ".lock").exists():
        return False
    age = time.time() - (folder / "log.jsonl").stat().st_mtime
    return age < 3 * records[-1]["seconds"]


def options(planned: PlannedRun, arguments: argparse.Namespace) -> list[str]:
    """What train.py is to be told."""
    option = DATA[planned.data]
    data = getattr(arguments, option.removeprefix("--").replace("-", "_"))
    if data is None:
        raise TrainingError(f"{planned.name}: needs {option}")
    line = ["--data", str(data), "--resume"]
    line += ["--output", str(arguments.runs / planned.name), *planned.options]
    for option, name in (("--warm-start", planned.warm_start), ("--teacher", planned.teacher)):
        if name:
            run = arguments.runs / name / "checkpoint.pt"
            line += [option, name if name == LITE0 else str(run)]
    line += ["--device", arguments.device, "--speed", arguments.speed]
    line += ["--threads", str(arguments.threads)]
    return [*line, "--precision", arguments.precision] if arguments.precision else line


def chosen(arguments: argparse.Namespace) -> list[PlannedRun]:
    known = {planned.name: planned for planned in PLAN}
    for name in arguments.only or ():
        if name not in known:
            raise TrainingError(f"run '{name}' is not in the plan; plan.py --runs R lists them")
    if arguments.only:
        return [known[name] for name in arguments.only]
    return longest_first(read_logs(arguments)) if arguments.together > 1 else list(PLAN)


def read_logs(arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    return {planned.name: read_log(arguments.runs / planned.name) for planned in PLAN}


def next_run(arguments: argparse.Namespace, started: Container[str] = ()) -> PlannedRun | None:
    """The first run of the plan that can be started, but for those in `started`."""
    done = {planned.name: epochs_done(arguments.runs / planned.name) for planned in PLAN}
    for planned in chosen(arguments):
        can_start = planned.name not in started and ready(planned, done)
        if can_start and not busy(arguments.runs / planned.name):
            return planned
    return None


def train(planned: PlannedRun, arguments: argparse.Namespace) -> None:
    """Train one run to its end, in a process of its own."""
    line = [sys.executable, str(HERE / "train.py"), *options(planned, arguments)]
    print(f"{planned.name}: {' '.join(line)}", flush=True)
    code = subprocess.run(line).returncode
    # 2 may mean that another process took the folder in between: its lock says so.
    if code and not (code == 2 and busy(arguments.runs / planned.name)):
        raise TrainingError(f"{planned.name}: train.py ended with {code}; see above")


def train_all(arguments: argparse.Namespace) -> None:
    """Train all runs, some at a time. A run that fails is named at the end and leaves the others."""
    started: set[str] = set()

    def take() -> PlannedRun | None:
        planned = next_run(arguments, started)
        if planned is not None:
            started.add(planned.name)
        return planned

    failed = side_by_side(arguments.together, take, lambda planned: train(planned, arguments))
    for _, error in failed:
        print(error, file=sys.stderr)
    if failed:
        raise TrainingError(f"{len(failed)} runs failed; see above")


def describe(planned: PlannedRun, done: dict[str, int], folder: Path) -> str:
    if done[planned.name] >= planned.epochs:
        return "done"
    if busy(folder):
        return "running"
    return "ready" if ready(planned, done) else f"waits for {' and '.join(planned.needs)}"


def show(arguments: argparse.Namespace) -> None:
    done = {planned.name: epochs_done(arguments.runs / planned.name) for planned in PLAN}
    logs = read_logs(arguments)
    total = 0.0
    for planned in chosen(arguments):
        hours = hours_left(planned, logs)
        total += hours
        folder = arguments.runs / planned.name
        state = describe(planned, done, folder)
        validated = logs[planned.name][-1]["val_accuracy"] if logs[planned.name] else None
        accuracy = f"{validated:.2%}" if validated is not None else "-"
        epochs = f"{done[planned.name]}/{planned.epochs}"
        print(f"{planned.name:<40} {epochs:>8} {accuracy:>7} {hours:6.1f} h  {state}")
    print(f"{total:.0f} core hours to go")


def main() -> None:
    arguments = parse_arguments()
    if arguments.all:
        train_all(arguments)
    elif not arguments.next:
        show(arguments)
    elif planned := next_run(arguments):
        train(planned, arguments)
    else:
        print("no run can be started: all are done, held or waiting")


if __name__ == "__main__":
    run_command(main)
