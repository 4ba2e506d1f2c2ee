"""The plan of runs: what may start, what is held, how long it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import plan
from sluice_training.loop import locked
from sluice_training.nets import make_net
from sluice_training.schedule import (
    PLAN,
    dense,
    half_cut,
    hours_left,
    ready,
    refined,
    seconds_per_epoch,
)

BY_NAME = {run.name: run for run in PLAN}
FIRST = next(run for run in PLAN if run.net == "resnet20")
OTHER = next(run for run in PLAN if run.net == "resnet32")
REFINED = refined(FIRST.net, FIRST.data)


def write_log(folder: Path, epochs: int, seconds: float = 36.0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"epoch": i + 1, "seconds": seconds, "val_accuracy": 0.5}) for i in range(epochs)
    ]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    (folder / ".lock").touch()


def test_names_are_unique_and_what_runs_need_comes_first() -> None:
    assert len(BY_NAME) == len(PLAN)
    seen: set[str] = set()
    for run in PLAN:
        assert set(run.needs) <= seen, run.name
        assert make_net(run.net, 10) is not None
        seen.add(run.name)


@pytest.mark.parametrize("planned", PLAN, ids=lambda run: run.name)
def test_every_line_is_one_that_train_accepts(planned) -> None:
    import train

    arguments = train.parse_arguments(["--data", "D", "--output", "O", *planned.options])
    assert (arguments.net, arguments.epochs) == (planned.net, planned.epochs)
    gate = train.gate_of(arguments)
    assert (gate["form"] if gate else "dense") == planned.gate


def test_exported_files_that_runs_start_from_are_in_models() -> None:
    named = {name for run in PLAN for name in (run.warm_start, run.teacher) if name}
    files = {name for name in named if name not in BY_NAME}
    assert files and all((plan.MODELS / name).exists() for name in files)


def test_a_refined_run_waits_for_the_dense_one() -> None:
    done = dict.fromkeys(BY_NAME, 0)
    assert REFINED.needs == [FIRST.name]
    assert ready(FIRST, done) and not ready(REFINED, done)
    done[FIRST.name] = FIRST.epochs - 1
    assert ready(FIRST, done) and not ready(REFINED, done)
    done[FIRST.name] = FIRST.epochs
    assert not ready(FIRST, done) and ready(REFINED, done)


def test_hours_follow_the_recorded_epochs() -> None:
    log = [{"epoch": i + 1, "seconds": 72.0} for i in range(FIRST.epochs - 40)]
    assert hours_left(FIRST, {FIRST.name: log}) == pytest.approx(40 * 72 / 3600)
    alike = dense(FIRST.net, FIRST.data, seed=2)
    assert seconds_per_epoch(alike, {FIRST.name: log}) == 72.0
    log[-1]["cpu_seconds"] = 50.0
    assert seconds_per_epoch(FIRST, {FIRST.name: log[-1:]}) == 50.0
    shallow = seconds_per_epoch(BY_NAME["resnet20_dense_100"], {})
    assert seconds_per_epoch(BY_NAME["resnet56_dense_100"], {}) == pytest.approx(3 * shallow)


def next_name(monkeypatch, runs: Path, *options: str) -> str | None:
    monkeypatch.setattr(sys, "argv", ["plan.py", "--runs", str(runs), *options])
    found = plan.next_run(plan.parse_arguments())
    return found and found.name


def test_the_next_run_is_neither_done_nor_held(tmp_path: Path, monkeypatch) -> None:
    assert next_name(monkeypatch, tmp_path) == PLAN[0].name
    two = ("--only", FIRST.name, OTHER.name)
    assert next_name(monkeypatch, tmp_path, *two) == FIRST.name
    with locked(tmp_path / FIRST.name):
        assert next_name(monkeypatch, tmp_path, *two) == OTHER.name
        assert next_name(monkeypatch, tmp_path, "--only", FIRST.name) is None
    write_log(tmp_path / FIRST.name, 40)
    assert next_name(monkeypatch, tmp_path, *two) == FIRST.name
    write_log(tmp_path / FIRST.name, FIRST.epochs)
    assert next_name(monkeypatch, tmp_path, "--only", FIRST.name, REFINED.name) == REFINED.name
    assert next_name(monkeypatch, tmp_path, "--only", FIRST.name) is None


def test_a_run_without_a_lock_is_left_alone_while_its_log_is_fresh(
    tmp_path: Path, monkeypatch
) -> None:
    write_log(tmp_path / FIRST.name, 3, seconds=1000.0)
    (tmp_path / FIRST.name / ".lock").unlink()
    assert next_name(monkeypatch, tmp_path, "--only", FIRST.name) is None


def test_the_command_names_what_it_starts_from(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["plan.py", "--runs", str(tmp_path), "--data10", "D10"])
    arguments = plan.parse_arguments()
    line = plan.options(REFINED, arguments)
    source = str(tmp_path / "resnet20_dense_100" / "checkpoint.pt")
    assert line[line.index("--warm-start") + 1] == line[line.index("--teacher") + 1] == source
    exported = plan.options(half_cut("resnet20", "1x1"), arguments)
    source = str(plan.MODELS / "resnet20_dense_cifar10.onnx")
    assert exported[exported.index("--warm-start") + 1] == source
    assert line[line.index("--data") + 1] == "D10" and "--resume" in line
    with pytest.raises(plan.TrainingError, match="needs --data100"):
        plan.options(BY_NAME["resnet32_cifar100_dense_100"], arguments)


def test_the_list_and_its_errors(tmp_path: Path) -> None:
    script = str(Path(plan.__file__))
    write_log(tmp_path / FIRST.name, FIRST.epochs)
    line = [sys.executable, script, "--runs", str(tmp_path)]
    listed = subprocess.run(line, capture_output=True, text=True)
    assert listed.returncode == 0
    assert f"{FIRST.name:<40}  100/100  50.00%    0.0 h  done" in listed.stdout
    wrong = subprocess.run([*line, "--only", "x"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "run 'x' is not in the plan" in wrong.stderr


def test_runs_side_by_side_wait_for_what_they_need(tmp_path: Path, monkeypatch) -> None:
    """Each run's process is played by a log of all its epochs; one fails, and what needs it waits."""
    names = ["resnet20_dense_100", "resnet20_refined", "resnet32_dense_100", "resnet32_refined"]
    started: list[str] = []

    def run(line: list[str]) -> subprocess.CompletedProcess:
        folder = Path(line[line.index("--output") + 1])
        started.append(folder.name)
        if folder.name == "resnet32_dense_100":
            return subprocess.CompletedProcess(line, 1)
        write_log(folder, BY_NAME[folder.name].epochs)
        return subprocess.CompletedProcess(line, 0)

    monkeypatch.setattr(plan.subprocess, "run", run)
    line = ["plan.py", "--runs", str(tmp_path), "--data10", "D", "--all", "--together", "2"]
    monkeypatch.setattr(sys, "argv", [*line, "--only", *names])
    with pytest.raises(plan.TrainingError, match="1 runs failed"):
        plan.main()
    assert sorted(started) == ["resnet20_dense_100", "resnet20_refined", "resnet32_dense_100"]
    assert started.index("resnet20_dense_100") < started.index("resnet20_refined")
