"""Controllers, calibrated thresholds and the allocation of a budget, against sums by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from sluice_training.allocate import GRID, allocate, measure_curves, read_densities
from sluice_training.batches import Normalizer
from sluice_training.calibration import (
    calibrate_layers,
    calibrate_mean,
    normalised_branches,
    threshold_at,
)
from sluice_training.data import LabelledImages
from sluice_training.density import DensityController
from sluice_training.errors import TrainingError
from sluice_training.lccl import GatedConv2d, GateSpec, gated_layers
from sluice_training.loop import validate
from sluice_training.nets import add_gates, make_net

NORMALIZER = Normalizer((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def some_data(count: int = 40) -> LabelledImages:
    generator = torch.Generator().manual_seed(11)
    images = torch.randint(256, (count, 16, 16, 3), dtype=torch.uint8, generator=generator)
    return LabelledImages(images, torch.arange(count) % 10, tuple("abcdefghij"))


def gated_net(form: str = "kxk-one") -> nn.Module:
    torch.manual_seed(6)
    return add_gates(make_net("resnet20", 10), form)


def test_controller_holds_a_density_in_each_layer() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(
        *(GatedConv2d(nn.Conv2d(1, 1, 1, bias=False), GateSpec("1x1")) for _ in range(2))
    ).train()
    wanted = (0.8, 0.3)
    controller = DensityController(model, {"0": 3.0, "1": 1.0}, 0.5, 0.5, densities=wanted)
    seen = []
    for step in range(400):
        thresholds, densities = map(torch.tensor, controller.schedule(step / 400))
        controller.before_step(thresholds)
        x = torch.distributions.Exponential(1.0).sample((16, 1, 8, 8))
        seen.append([float((layer.gate(x) > 0).float().mean()) for layer in model])
        for layer in model:
            layer(x)
        controller.after_step(densities)
    means = torch.tensor(seen[-50:]).mean(0).tolist()
    assert means == pytest.approx(wanted, abs=0.03)
    assert controller.density == pytest.approx(0.75 * seen[-1][0] + 0.25 * seen[-1][1], abs=0.03)


def test_controller_makes_up_for_the_gap_to_evaluation_mode() -> None:
    model = nn.Sequential(GatedConv2d(nn.Conv2d(1, 1, 1, bias=False), GateSpec("1x1"))).train()
    controller = DensityController(model, {"0": 1.0}, 0.5, anneal=0.0, rate=0.1)
    x = torch.linspace(-1, 1, 1001).reshape(1, 1, 1, -1)

    def epoch() -> float:
        for _ in range(100):
            thresholds, densities = map(torch.tensor, controller.schedule(1.0))
            controller.before_step(thresholds)
            model(x)
            controller.after_step(densities)
        return controller.density

    assert epoch() == pytest.approx(0.5, abs=0.01)
    controller.after_epoch(100, [0.6])
    assert epoch() == pytest.approx(0.4, abs=0.01)


def test_wrong_number_of_densities_is_refused() -> None:
    model = gated_net()
    weights = dict.fromkeys((name for name, _ in gated_layers(model)), 1.0)
    with pytest.raises(TrainingError, match="2 densities for 18 gated layers"):
        DensityController(model, weights, 0.5, densities=(0.5, 0.5))


def test_threshold_is_a_quantile() -> None:
    values = torch.tensor([4.0, 1.0, 3.0, 2.0, 5.0])
    for density, active in ((0.2, 1), (0.6, 3), (0.8, 4)):
        assert (values > -threshold_at(values, density)).sum() == active
    # Three equal values are active together: 4 of 5 is nearer to 0.7 than 1 of 5, and not to 0.3.
    tied = torch.tensor([1.0, 2.0, 2.0, 2.0, 3.0])
    assert (tied > -threshold_at(tied, 0.7)).sum() == 4
    assert (tied > -threshold_at(tied, 0.3)).sum() == 1


@pytest.mark.parametrize("form", ["kxk-one", "1x1", "groups"])
def test_layers_hold_their_densities_in_evaluation_mode(form: str) -> None:
    model, data = gated_net(form), some_data()
    validate(model.train(), data, NORMALIZER)
    names = [name for name, _ in gated_layers(model)]
    wanted = {name: 0.3 + 0.02 * index for index, name in enumerate(names)}
    calibrate_layers(model, wanted, data, NORMALIZER)
    report = validate(model, data, NORMALIZER)[2]
    for layer in report.layers:
        assert layer.density == pytest.approx(wanted[layer.name], abs=0.02), layer.name


def test_mean_density_is_met_by_one_shift() -> None:
    model, data = gated_net(), some_data()
    for index, (_, layer) in enumerate(gated_layers(model)):
        layer.gate.set_threshold(0.05 * index)
    calibrate_mean(model, 0.6, data, NORMALIZER)
    layers = validate(model, data, NORMALIZER)[2].layers
    mean = sum(x.conv * x.density for x in layers) / sum(x.conv for x in layers)
    assert mean == pytest.approx(0.6, abs=0.01)
    biases = [float(layer.gate.norm.bias) for _, layer in gated_layers(model)]
    assert biases[1] - biases[0] == pytest.approx(0.1, abs=1e-5)


def test_learned_norms_have_no_threshold() -> None:
    model = add_gates(make_net("resnet20", 10), GateSpec(slope=None))
    with pytest.raises(TrainingError, match="learned batch norm"):
        calibrate_mean(model, 0.5, some_data(), NORMALIZER)
    layer = next(layer for _, layer in gated_layers(model))
    with pytest.raises(TrainingError, match="learned batch norm"):
        normalised_branches(model, layer, some_data(), NORMALIZER)


def test_curves_leave_the_model_as_it_was() -> None:
    model, data = gated_net(), some_data(10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    curves = measure_curves(model, data, NORMALIZER, grid=(0.9, 0.2))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert len(curves) == 18 and all(len(curve) == 2 for curve in curves.values())
    assert all(curve[0] != curve[1] and math.isfinite(curve[1]) for curve in curves.values())


def test_the_cheap_layer_is_skipped_most() -> None:
    """Grid 1, 0.5, 0; equal MACs. Steps cost: cheap 0.1 and 0.2, dear 1 and 1.

    A mean of 0.5 is one unit of density: both steps of the cheap layer. A mean of 0.25 is half a
    unit more, the dear layer's first step; 0.375 is half of that step."""
    curves = {"cheap": [0.0, 0.1, 0.3], "dear": [0.0, 1.0, 2.0]}
    macs = {"cheap": 100, "dear": 100}
    grid = (1.0, 0.5, 0.0)
    assert allocate(curves, macs, 0.5, grid) == {"cheap": 0.0, "dear": 1.0}
    assert allocate(curves, macs, 0.25, grid) == {"cheap": 0.0, "dear": 0.5}
    assert allocate(curves, macs, 0.375, grid) == {"cheap": 0.0, "dear": 0.75}


def test_cost_is_a_loss_for_each_mac() -> None:
    """The same loss: the larger layer saves three times as much, so its step is taken first."""
    curves = {"small": [0.0, 1.0], "large": [0.0, 1.0]}
    found = allocate(curves, {"small": 100, "large": 300}, 0.25, (1.0, 0.0))
    assert found == {"small": 1.0, "large": 0.0}


def test_loss_that_falls_is_noise() -> None:
    curves = {"a": [1.0, 0.2, 0.9], "b": [1.0, 1.0, 1.0]}
    found = allocate(curves, {"a": 1, "b": 1}, 0.5, (1.0, 0.5, 0.0))
    assert found == {"a": 0.5, "b": 0.5}
    # From 1 to 0.9 over both steps of `a` is no rise either, so it is no dearer than `b`.
    found = allocate(curves, {"a": 1, "b": 1}, 0.25, (1.0, 0.5, 0.0))
    assert found == {"a": 0.0, "b": 0.5}


@pytest.mark.parametrize("target", [GRID[0], 0.51, GRID[-1]])
def test_the_budget_is_met(target: float) -> None:
    generator = torch.Generator().manual_seed(3)
    curves = {
        str(i): torch.rand(len(GRID), generator=generator).cumsum(0).tolist() for i in range(7)
    }
    macs = {str(i): 100 * (i + 1) for i in range(7)}
    found = allocate(curves, macs, target)
    mean = sum(macs[name] * density for name, density in found.items()) / sum(macs.values())
    assert mean == pytest.approx(target, abs=1e-3)
    assert all(GRID[-1] - 1e-3 <= density <= GRID[0] for density in found.values())
    with pytest.raises(TrainingError, match="must lie between"):
        allocate(curves, macs, 0.1)


def test_files_of_densities(tmp_path: Path) -> None:
    model = gated_net()
    path = tmp_path / "d.json"
    wanted = {name: (i + 1) / 20 for i, (name, _) in enumerate(gated_layers(model))}
    path.write_text(json.dumps(dict(reversed(wanted.items()))))
    assert read_densities(path, model) == tuple(wanted.values())
    path.write_text(json.dumps({"blocks.0.conv1": 0.5}))
    with pytest.raises(TrainingError, match="not the gated ones.*blocks.0.conv2' and 16 more"):
        read_densities(path, model)
    for bad in ("[1]", "{", '{"a": "b"}'):
        path.write_text(bad)
        with pytest.raises(TrainingError, match="not a file of sensitivity.py"):
            read_densities(path, model)
