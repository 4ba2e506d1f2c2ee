"""A budget of predicted time: which blocks are gated, what the loss holds, and that a run holds it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from some_costs import write_table
from test_run import NORMALIZER, some_data
from torch import nn

from sluice_training import costs, time_budget
from sluice_training.block_gates import BlockGateSpec, add_block_gates, gated_blocks, set_density
from sluice_training.config import RunConfig
from sluice_training.errors import TrainingError
from sluice_training.loop import read_log, train
from sluice_training.macs import count_macs
from sluice_training.nets import make_net
from sluice_training.run import Run
from sluice_training.time_budget import TimeBudget, apply_budget, parse_budget, plan_gates


@pytest.fixture(autouse=True)
def _some_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "costs"
    folder.mkdir()
    write_table(folder)
    monkeypatch.setattr(time_budget, "read_costs", lambda name: costs.read_costs(name, folder))


def gated_net(grains: tuple[int | None, ...]) -> nn.Module:
    torch.manual_seed(6)
    return add_block_gates(make_net("resnet20", 10), BlockGateSpec(grains=grains))


def budget_of(model: nn.Module, share: str) -> TimeBudget:
    weights = {layer.name: layer.conv for layer in count_macs(model, (3, 32, 32)).layers}
    return TimeBudget(model, weights, RunConfig(epochs=1, budget=8.0, budget_ms=share))


def test_budgets_are_parsed() -> None:
    share, table = parse_budget("0.8@some-fp32")
    assert share == 0.8 and table.name == "some-fp32"
    for text in ("0.8", "@some-fp32", "1.2@some-fp32", "0@some-fp32", "much@some-fp32"):
        with pytest.raises(TrainingError):
            parse_budget(text)


def test_the_share_of_time_is_the_predicted_one() -> None:
    """Of 9.5 ms, 3.5 outside of gates; grain 4 takes 0.1 + 0.9 d, grain 1 bends at a half."""
    model = gated_net((4, 1, None))
    budget = budget_of(model, "0.6@some-fp32")
    densities = torch.tensor([0.5, 0.25, 1.0, 0.25, 0.5, 0.75], requires_grad=True)
    share = budget.time_share(densities)
    wanted = (3.5 + (0.55 + 0.325 + 1.0) + (0.55 + 0.9 + 1.05)) / 9.5
    assert share.item() == pytest.approx(wanted, rel=1e-5)
    share.backward()
    chords = [0.9 / 9.5] * 3 + [(1.2 - 0.34) / 0.9 / 9.5] * 3
    assert densities.grad.tolist() == pytest.approx(chords, rel=1e-5)


def test_the_loss_by_hand() -> None:
    model = gated_net((4, None, None)).train()
    budget = budget_of(model, "0.8@some-fp32")
    for _, block in gated_blocks(model):
        block.gate.observer(torch.full((1, 1, 4, 4), 0.5))
    share = (6.5 + 3 * 0.55) / 9.5
    loss = budget.penalty(torch.tensor([0.4, 0.45]))
    assert loss.item() == pytest.approx(8 * ((share - 0.8) ** 2 + 0.05**2), rel=1e-4)
    assert budget.record() == {"train_density": 0.5, "train_time": pytest.approx(share, abs=1e-4)}


def test_blocks_that_gain_are_gated_at_the_density_that_meets_the_budget() -> None:
    grains, layers, density = plan_gates("resnet20", "4,4,1", "*", "0.7@some-fp32")
    assert grains == "4,4,1"
    assert layers == ",".join(f"blocks.{i}" for i in range(6))
    # 3.5 + 6 (0.1 + 0.9 d) = 0.7 x 9.5
    assert density == pytest.approx((0.7 * 9.5 - 3.5 - 0.6) / 5.4, abs=0.01)
    assert plan_gates("resnet20", "auto", "blocks.[2-6]", "0.8@some-fp32")[:2] == (
        "4,4,map", "blocks.2,blocks.3,blocks.4,blocks.5,blocks.6"
    )  # fmt: skip


def test_budgets_that_cannot_be_met() -> None:
    with pytest.raises(TrainingError, match="no block of resnet20 gains"):
        plan_gates("resnet20", "8,8,1", "*", "0.7@some-fp32")
    with pytest.raises(TrainingError, match="take 0.73 of the dense time at a density of 0.05"):
        plan_gates("resnet20", "4,none,none", "blocks.[0-2]", "0.5@some-fp32")
    with pytest.raises(TrainingError, match="2 grains for 3 stages"):
        plan_gates("resnet20", "4,4", "*", "0.7@some-fp32")


def test_what_train_py_is_told() -> None:
    told = {"net": "resnet20", "gate": "block", "grains": "auto", "gate_layers": "*", "target": 0.5}
    arguments = Namespace(budget_ms="0.8@some-fp32", **told)
    apply_budget(arguments)
    assert arguments.grains == "4,4,map"
    assert arguments.gate_layers.split(",")[-1] == "blocks.8"
    assert 0.5 < arguments.target < 0.9
    plain = Namespace(budget_ms="", **told | {"grains": "1"})
    apply_budget(plain)
    assert (plain.grains, plain.target) == ("1", 0.5)
    for options in ({"gate": "tile", "budget_ms": "0.8@some-fp32"}, {"budget_ms": ""}):
        with pytest.raises(TrainingError):
            apply_budget(Namespace(**told | options))


def test_a_run_holds_its_time(tmp_path: Path) -> None:
    """From a density of 0.9, at 0.95 of the dense time, down to 0.7 within eight epochs."""
    model = gated_net((4, 4, None))
    set_density(model, 0.9)
    options = {"target": 0.47, "gate_lr": 2.0, "peak_lr": 0.01, "noise_off": 0.0, "warmup": 0.0}
    config = RunConfig(epochs=8, batch_size=4, precision="fp32", relax=0.0, budget_ms="0.7@some-fp32",
                       **options)  # fmt: skip
    run = Run(model, config, some_data(), NORMALIZER)
    (tmp_path / "run").mkdir()
    train(run, some_data(), NORMALIZER, tmp_path / "run", {})
    records = read_log(tmp_path / "run")
    assert records[-1]["train_time"] == pytest.approx(0.7, abs=0.05)
    assert 0 < records[-1]["predicted_ms"] <= 9.5
    assert records[-1]["predicted_share"] == pytest.approx(records[-1]["predicted_ms"] / 9.5, abs=1e-3)
