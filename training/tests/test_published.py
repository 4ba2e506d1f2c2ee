"""The settings of published code in docs/recipes.md: lines that train.py takes, and what they mean."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from test_run import NORMALIZER, some_data

import train
from sluice_training.block_gates import gated_blocks
from sluice_training.checkpoint import build_model
from sluice_training.config import RunConfig, learning_rate
from sluice_training.run import Run

RECIPES = Path(__file__).resolve().parent.parent / "docs" / "recipes.md"


def published() -> dict[str, tuple[RunConfig, dict]]:
    section = RECIPES.read_text().partition("## Settings of published code")[2]
    block = re.search(r"```\n(.*?)```", section, re.DOTALL)[1]
    found = {}
    for text in block.strip().split("\n\n"):
        title, *options = text.split("\n")
        words = " ".join(options).split()
        arguments = train.parse_arguments(["--data", "D", "--output", "O", *words])
        found[title.removeprefix("# ")] = train.config_of(arguments), train.gate_of(arguments)
    return found


def test_rates_fall_where_the_authors_let_them() -> None:
    """Epoch by epoch, before and at each step."""
    cifar, imagenet, lasnet = (config for config, _ in published().values())
    rates = [learning_rate(cifar, epoch / 350) for epoch in (0, 149, 150, 249, 250, 349)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    rates = [learning_rate(imagenet, epoch / 100) for epoch in (0, 29, 30, 60, 90)]
    assert rates == pytest.approx([0.025, 0.025, 0.0025, 0.00025, 0.000025])
    rates = [learning_rate(lasnet, share) * lasnet.gate_lr for share in (0, 0.5, 1)]
    assert rates == pytest.approx([0.04, 0.02, 0.0], abs=1e-9)


@pytest.mark.parametrize("title", published())
def test_settings_reach_the_gates_and_the_optimiser(title: str) -> None:
    config, gate = published()[title]
    torch.manual_seed(1)
    name = "resnet20" if config.epochs == 350 else "resnet18"
    model = build_model(name, gate, 10)
    train.set_density(model, config.start_density)
    run = Run(model, config, some_data(), NORMALIZER)
    gates = [block.gate for _, block in gated_blocks(model)]
    network, branches = run._optimizer.param_groups
    assert network["weight_decay"] == branches["weight_decay"] == config.weight_decay
    assert network["nesterov"] == (not config.plain_momentum)
    assert all(gate.attached for gate in gates)
    settings, bounds = run._controller.schedule(0.0)
    lasnet = "LASNet" in title
    assert settings == [1.0, 1.0 if "CIFAR" in title else 5.0]
    assert bounds == pytest.approx([0.5, 0.5])
    settings, bounds = run._controller.schedule(0.99)
    assert settings[0] == (1.0 if lasnet else 0.0) and bounds == pytest.approx([0.0, 1.0])
    assert settings[1] == pytest.approx(5 * 0.02**0.99 if lasnet else 1.0)
    wanted = [math.log(0.993 / 0.007) if lasnet else 0.0] * len(gates)
    assert [gate.threshold for gate in gates] == pytest.approx(wanted, rel=1e-5)
    if lasnet:
        assert [gate.grain for gate in gates] == [4, 4, 4, 4, 2, 2, 1, 1]
        assert {gate.branch.kernel_size for gate in gates} == {(1, 1)}
    else:
        assert all(gate.context is not None for gate in gates)


def test_an_attached_branch_teaches_the_layers_before_it() -> None:
    gradients = []
    for attached in (False, True):
        torch.manual_seed(1)
        model = build_model("resnet20", {"form": "block", "grains": [1]}, 10)
        config = RunConfig(epochs=1, batch_size=4, precision="fp32", attach_branches=attached)
        run = Run(model, config, some_data(), NORMALIZER)
        run.model.train()
        tape = run._draw_tape()
        run._controller.before_step(tape.row(0).settings)
        scores = run.model(run._batches.batch(tape.chosen[0], tape.shifts[0])[0])
        (scores.sum() + run._controller.penalty(torch.tensor([0.9, 0.95]))).backward()
        gradients.append(run.model.conv.weight.grad.clone())
    assert not torch.allclose(*gradients)
