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
    CIFAR10,
    IMAGENETTE,
    PLAN,
    block_gated,
    control,
    dense,
    hours_left,
    longest_first,
    ready,
    seconds_per_epoch,
)
from sluice_training.teacher import LITE0

BY_NAME = {run.name: run for run in PLAN}
FIRST = next(run for run in PLAN if run.net == "resnet20")
OTHER = next(run for run in PLAN if run.net == "resnet32")
REFINED = control(FIRST.net, FIRST.data)


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


def test_every_network_is_compared_with_a_control_of_the_same_epochs_and_teacher() -> None:
    gated = [run for run in PLAN if run.gate == "block"]
    nets = {(run.net, run.data) for run in PLAN}
    assert {(run.net, run.data) for run in gated} == nets and len(nets) == 7
    for run in gated:
        seed = run.options[run.options.index("--seed") + 1]
        other = BY_NAME[control(run.net, run.data, int(seed)).name]
        assert (other.epochs, other.teacher, other.warm_start) == (
            run.epochs, run.teacher, run.warm_start
        )  # fmt: skip
        assert run.options[: len(other.options)] == other.options
    for seed in (1, 2):
        for density in (0.55, 0.38):
            assert block_gated("resnet20", CIFAR10, density, seed).name in BY_NAME


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
    shallow = seconds_per_epoch(BY_NAME["resnet20_dense"], {})
    assert seconds_per_epoch(BY_NAME["resnet56_dense"], {}) == pytest.approx(3 * shallow)


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
    monkeypatch.setattr(
        sys, "argv", ["plan.py", "--runs", str(tmp_path), "--data10", "D10", "--data-imagenette", "I"]
    )
    arguments = plan.parse_arguments()
    line = plan.options(REFINED, arguments)
    source = str(tmp_path / "resnet20_dense" / "checkpoint.pt")
    assert line[line.index("--warm-start") + 1] == line[line.index("--teacher") + 1] == source
    assert line[line.index("--data") + 1] == "D10" and "--resume" in line
    line = plan.options(BY_NAME["resnet18_imagenette_tiles_d38"], arguments)
    assert line[line.index("--data") + 1] == "I" and line[line.index("--teacher") + 1] == LITE0
    assert line[line.index("--warm-start") + 1].endswith("resnet18_imagenette_dense/checkpoint.pt")
    with pytest.raises(plan.TrainingError, match="needs --data100"):
        plan.options(BY_NAME["resnet56_cifar100_dense"], arguments)


def test_side_by_side_the_longest_chain_comes_first() -> None:
    """A run counts with what waits for it, whether or not it is long itself."""
    ordered = [run.name for run in longest_first({})]
    assert sorted(ordered) == sorted(BY_NAME)
    assert ordered.index("resnet110_dense") < ordered.index("resnet20_dense")
    assert ordered.index("resnet110_dense") < ordered.index("resnet110_control")
    done = [{"epoch": i + 1, "seconds": 1.0} for i in range(BY_NAME["resnet110_dense"].epochs)]
    again = [run.name for run in longest_first({"resnet110_dense": done})]
    assert again.index("resnet110_dense") > ordered.index("resnet110_dense")


def test_hours_of_large_networks_are_not_those_of_small_ones() -> None:
    large = dense("resnet18", IMAGENETTE)
    assert seconds_per_epoch(large, {}) == 500
    log = [{"epoch": 1, "seconds": 300.0}]
    assert seconds_per_epoch(BY_NAME["resnet18_imagenette_control"], {large.name: log}) == 300


def test_the_list_and_its_errors(tmp_path: Path) -> None:
    script = str(Path(plan.__file__))
    write_log(tmp_path / FIRST.name, FIRST.epochs)
    line = [sys.executable, script, "--runs", str(tmp_path)]
    listed = subprocess.run(line, capture_output=True, text=True)
    assert listed.returncode == 0
    assert f"{FIRST.name:<40}  200/200  50.00%    0.0 h  done" in listed.stdout
    wrong = subprocess.run([*line, "--only", "x"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "run 'x' is not in the plan" in wrong.stderr


def test_runs_side_by_side_wait_for_what_they_need(tmp_path: Path, monkeypatch) -> None:
    """Each run's process is played by a log of all its epochs; one fails, and what needs it waits."""
    names = ["resnet20_dense", "resnet20_control", "resnet32_dense", "resnet32_control"]
    started: list[str] = []

    def run(line: list[str]) -> subprocess.CompletedProcess:
        folder = Path(line[line.index("--output") + 1])
        started.append(folder.name)
        if folder.name == "resnet32_dense":
            return subprocess.CompletedProcess(line, 1)
        write_log(folder, BY_NAME[folder.name].epochs)
        return subprocess.CompletedProcess(line, 0)

    monkeypatch.setattr(plan.subprocess, "run", run)
    line = ["plan.py", "--runs", str(tmp_path), "--data10", "D", "--all", "--together", "2"]
    monkeypatch.setattr(sys, "argv", [*line, "--only", *names])
    with pytest.raises(plan.TrainingError, match="1 runs failed"):
        plan.main()
    assert sorted(started) == ["resnet20_control", "resnet20_dense", "resnet32_dense"]
    assert started.index("resnet20_dense") < started.index("resnet20_control")
