"""The budget's loss and bounds by hand, and that a run holds its density."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from test_run import NORMALIZER, some_data
from torch import nn

from sluice_training.block_gates import BlockGateSpec, add_block_gates, gated_blocks, set_density
from sluice_training.budget import Budget, density_bounds
from sluice_training.calibration import calibrate_mean
from sluice_training.config import RunConfig
from sluice_training.errors import TrainingError
from sluice_training.loop import read_log, train, validate
from sluice_training.nets import make_net
from sluice_training.run import Run


def gated_net() -> nn.Module:
    torch.manual_seed(6)
    model = add_block_gates(make_net("resnet20", 10), BlockGateSpec(layers="blocks.[01]"))
    set_density(model, 0.4)
    return model


def test_bounds_relax_from_the_target_to_nothing() -> None:
    assert density_bounds(0.0, 0.4, 0.33) == pytest.approx((0.4, 0.4))
    half = math.cos(math.pi / 4) ** 2
    assert half == pytest.approx(0.5)
    assert density_bounds(0.165, 0.4, 0.33) == pytest.approx((0.2, 0.7))
    assert density_bounds(0.33, 0.4, 0.33) == pytest.approx((0.0, 1.0))
    assert density_bounds(0.9, 0.4, 0.33) == (0.0, 1.0)
    assert density_bounds(0.0, 0.4, 0.0) == (0.0, 1.0)


def test_the_loss_by_hand() -> None:
    """Densities 0.5 and 0.1, the first block with three quarters of the MACs: the mean is the
    target, 0.4. The bounds 0.2 and 0.45 are missed by 0.05 and by 0.1."""
    model = gated_net().train()
    config = RunConfig(epochs=1, target=0.4, budget=8.0)
    budget = Budget(model, {"blocks.0": 3.0, "blocks.1": 1.0}, config)
    gates = [block.gate for _, block in gated_blocks(model)]
    densities = [torch.tensor(d, requires_grad=True) for d in (0.5, 0.1)]
    for gate, density in zip(gates, densities):
        gate.observer(density.expand(1, 1, 4, 4))
    loss = budget.penalty(torch.tensor([0.2, 0.45]))
    assert loss.item() == pytest.approx(8 * (0.05**2 + 0.1**2) / 2, rel=1e-5)
    loss.backward()
    assert float(densities[0].grad) == pytest.approx(8 * 0.05, rel=1e-4)
    assert float(densities[1].grad) == pytest.approx(-8 * 0.1, rel=1e-4)
    for gate in gates:
        gate.observer(torch.full((1, 1, 4, 4), 0.7))
    assert float(budget.penalty(torch.tensor([0.0, 1.0]))) == pytest.approx(8 * 0.3**2, rel=1e-5)
    assert budget.density == pytest.approx(0.7)


def test_noise_ends_with_the_last_share() -> None:
    config = RunConfig(epochs=1, noise_off=0.25)
    budget = Budget(gated_net(), {"blocks.0": 1, "blocks.1": 1}, config)
    noise = [budget.schedule(progress)[0] for progress in (0.0, 0.74, 0.75, 0.99)]
    assert noise == [[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]


def test_mask_temperatures_reach_the_gates() -> None:
    config = RunConfig(epochs=1, noise_off=0.0, mask_temperature="5,2.5@0.3,1@0.6")
    model = gated_net()
    budget = Budget(model, {"blocks.0": 1, "blocks.1": 1}, config)
    settings = [budget.schedule(progress)[0] for progress in (0.0, 0.3, 0.9)]
    assert settings == [[1.0, 5.0], [1.0, 2.5], [1.0, 1.0]]
    budget.before_step(torch.tensor(settings[1]))
    gates = [block.gate for _, block in gated_blocks(model)]
    assert [(float(gate.noise), float(gate.temperature)) for gate in gates] == [(1.0, 2.5)] * 2


def test_gates_may_decay_and_pass_gradients_on() -> None:
    config = RunConfig(
        epochs=1, batch_size=4, precision="fp32", gate_decay=1e-3, attach_branches=True,
        plain_momentum=True,
    )  # fmt: skip
    run = Run(gated_net(), config, some_data(), NORMALIZER)
    assert run._optimizer.param_groups[1]["weight_decay"] == 1e-3
    assert not run._optimizer.param_groups[0]["nesterov"]
    assert all(block.gate.attached for _, block in gated_blocks(run.model))


def test_a_run_holds_its_density(tmp_path: Path) -> None:
    """From 0.4 down to 0.25 within six epochs of eight steps."""
    options = {"target": 0.25, "gate_lr": 2.0, "peak_lr": 0.01, "noise_off": 0.0, "warmup": 0.0}
    config = RunConfig(epochs=6, batch_size=4, precision="fp32", relax=1.0, **options)
    run = Run(gated_net(), config, some_data(), NORMALIZER)
    groups = run._optimizer.param_groups
    rates = [(group.get("factor"), group["weight_decay"]) for group in groups]
    assert rates == [(None, 5e-4), (2.0, 0.0)]
    assert sum(p.numel() for p in groups[1]["params"]) == 2 * (16 * 9 + 1)
    train(run, some_data(), NORMALIZER, tmp_path, {})
    records = read_log(tmp_path)
    assert records[-1]["train_density"] == pytest.approx(0.25, abs=0.05)
    assert len(records[-1]["densities"]) == 2
    dead = [f"blocks.{i}" for i, density in enumerate(records[-1]["densities"]) if density < 0.01]
    assert records[-1]["dead_blocks"] == dead


def test_calibration_meets_the_mean_density() -> None:
    model = gated_net()
    for _, block in gated_blocks(model):
        nn.init.normal_(block.gate.branch.weight, 0, 0.3)
    calibrate_mean(model, 0.6, some_data(), NORMALIZER)
    layers = validate(model, some_data(), NORMALIZER)[2].layers
    assert sum(layer.density for layer in layers) / 2 == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("option", [{"relax": -0.1}, {"noise_off": 1.5}])
def test_shares_of_a_run_are_checked(option) -> None:
    with pytest.raises(TrainingError, match="share of the run"):
        RunConfig(epochs=1, **option)
