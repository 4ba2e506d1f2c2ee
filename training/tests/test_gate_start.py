"""Fitted gates find what positions are worth, on networks whose worth is known by construction."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sluice_training.batches import Normalizer
from sluice_training.data import LabelledImages
from sluice_training.errors import TrainingError
from sluice_training.gate_start import fit_gates
from sluice_training.lccl import GatedConv2d, GateSpec, gated_layers

NORMALIZER = Normalizer((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def some_images() -> LabelledImages:
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(256, (1024, 8, 8, 3), dtype=torch.uint8, generator=generator)
    return LabelledImages(images, torch.zeros(1024, dtype=torch.long), ("a",))


def gated_sum(weight: torch.Tensor, spec: GateSpec) -> nn.Module:
    """Scores are the sums of a convolution's outputs over all positions: each is worth |y|."""
    outputs, _, kernel, _ = weight.shape
    conv = nn.Conv2d(3, outputs, kernel, padding=kernel // 2, bias=False)
    conv.weight.data.copy_(weight)
    pool = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(GatedConv2d(conv, spec), pool, nn.Flatten())


def test_one_map_fits_the_worth_of_its_position() -> None:
    """y = x1 at every position, for one output: its worth is x1, whose filter is the centre tap."""
    weight = torch.zeros(1, 3, 3, 3)
    weight[0, 1, 1, 1] = 1
    model = gated_sum(weight, GateSpec("kxk-one"))
    fit_gates(model, some_images(), NORMALIZER)
    found = model[0].gate.branch.weight.detach()
    assert torch.allclose(found, weight, atol=0.05)


def test_a_map_a_channel_fits_each_channel() -> None:
    """Output k is the image's channel 2 - k: so is the gate's."""
    weight = torch.eye(3).flip(0)[:, :, None, None]
    model = gated_sum(weight, GateSpec("1x1"))
    fit_gates(model, some_images(), NORMALIZER)
    assert torch.allclose(model[0].gate.branch.weight.detach(), weight, atol=0.05)


def test_a_tile_is_worth_the_sum_of_its_positions() -> None:
    """Channel 0 alone matters, and is the same all over a tile: the branch sees its maximum."""
    data = some_images()
    coarse = data.images[:, ::4, ::4]
    data = LabelledImages(
        coarse.repeat_interleave(4, 1).repeat_interleave(4, 2), data.labels, data.classes
    )
    weight = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    model = gated_sum(weight, GateSpec("tile"))
    fit_gates(model, data, NORMALIZER)
    assert torch.allclose(model[0].gate.branch.weight.detach(), weight, atol=0.05)


def test_fitted_gates_stand_wide_open_and_keep_the_convolution() -> None:
    torch.manual_seed(4)
    weight = torch.randn(4, 3, 3, 3)
    model = gated_sum(weight, GateSpec("kxk-one"))
    fit_gates(model, some_images(), NORMALIZER)
    x = torch.rand(2, 3, 8, 8)
    layer = model[0]
    assert torch.equal(layer.conv.weight, weight)
    assert torch.equal(layer(x), layer.conv(x))
    assert not any(module._forward_hooks for module in model.modules())


def test_only_gates_held_by_a_threshold_can_be_fitted() -> None:
    learned = gated_sum(torch.ones(1, 3, 3, 3), GateSpec("kxk-one", slope=None))
    for model in (learned, nn.Sequential(nn.Conv2d(3, 1, 1))):
        assert not any(layer.gate.spec.slope for _, layer in gated_layers(model))
        with pytest.raises(TrainingError, match="fixed batch norm"):
            fit_gates(model, some_images(), NORMALIZER)
