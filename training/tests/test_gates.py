"""Gates against a scalar definition of each form, written out with loops."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from sluice_training.checkpoint import warm_start
from sluice_training.errors import TrainingError
from sluice_training.lccl import GatedConv2d, GateSpec, gated_layers
from sluice_training.nets import add_gates, make_net


def scalar_conv(x, weight, stride, pad):
    """x [C][H][W], weight [K][C][k][k] as nested lists -> [K][H'][W']."""
    height, width, kernel = len(x[0]), len(x[0][0]), len(weight[0][0])
    rows = (height + 2 * pad - kernel) // stride + 1
    columns = (width + 2 * pad - kernel) // stride + 1
    result = []
    for filters in weight:
        plane = [[0.0] * columns for _ in range(rows)]
        for i in range(rows):
            for j in range(columns):
                for c, taps in enumerate(filters):
                    for u in range(kernel):
                        for v in range(kernel):
                            y, z = i * stride + u - pad, j * stride + v - pad
                            if 0 <= y < height and 0 <= z < width:
                                plane[i][j] += x[c][y][z] * taps[u][v]
        result.append(plane)
    return result


def scalar_gate(layer, x, stride):
    """The gate's maps [G][H'][W'] for one image, by the definition of its form."""
    gate, spec = layer.gate, layer.gate.spec
    norm = gate.norm
    pad = 1 if spec.form in ("kxk-one", "groups") else 0
    if spec.form == "tile":
        side = stride * spec.grid
        tiles = len(x[0]) // side
        x = [
            [
                [
                    max(plane[i * side + u][j * side + v] for u in range(side) for v in range(side))
                    for j in range(tiles)
                ]
                for i in range(tiles)
            ]
            for plane in x
        ]
        stride = 1
    maps = scalar_conv(x, gate.branch.weight.tolist(), stride, pad)
    for g, plane in enumerate(maps):
        scale = norm.weight[g].item() / math.sqrt(norm.running_var[g].item() + norm.eps)
        for row in plane:
            for j, z in enumerate(row):
                z = (z - norm.running_mean[g].item()) * scale + norm.bias[g].item()
                row[j] = max(z, 0.0) if spec.function == "relu" else min(max(z, 0.0), 1.0)
    if spec.form == "tile":
        grid = spec.grid
        maps = [
            [[row[j // grid] for j in range(len(row) * grid)] for row in plane for _ in range(grid)]
            for plane in maps
        ]
    return maps


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "spec",
    [
        GateSpec("kxk-one"),
        GateSpec("kxk-one", "relu", slope=None),
        GateSpec("1x1"),
        GateSpec("1x1-one"),
        GateSpec("groups", maps=3),
        GateSpec("tile", grid=2),
    ],
    ids=lambda spec: f"{spec.form}-{spec.function}",
)
def test_forward_equals_the_scalar_definition(spec: GateSpec, stride: int) -> None:
    torch.manual_seed(3)
    layer = GatedConv2d(nn.Conv2d(5, 6, 3, stride, 1, bias=False), spec)
    layer.gate.norm.momentum = 1.0
    x = torch.randn(1, 5, 16, 16)
    with torch.no_grad():
        layer(x + torch.randn_like(x))
        layer.eval()
        found = layer(x)[0]
    pixels = x[0].tolist()
    gate = scalar_gate(layer, pixels, stride)
    conv = scalar_conv(pixels, layer.conv.weight.tolist(), stride, 1)
    share = len(conv) // len(gate)
    wanted = torch.tensor(
        [
            [[y * g for y, g in zip(rows, gates)] for rows, gates in zip(plane, gate[k // share])]
            for k, plane in enumerate(conv)
        ]
    )
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, atol=1e-5)
    assert 0 < (wanted == 0).float().mean() < 1


def test_threshold_opens_where_the_normalised_branch_exceeds_its_negative() -> None:
    layer = GatedConv2d(nn.Conv2d(1, 1, 1, bias=False), GateSpec("1x1")).eval()
    layer.gate.branch.weight.data.fill_(1.0)
    layer.gate.norm.eps = 0.0
    layer.gate.set_threshold(0.25)
    z = torch.tensor([-0.5, -0.25, 0.0, 0.25, 1.0]).reshape(1, 1, 1, 5)
    gate = layer.gate(z).flatten().tolist()
    assert gate == [0.0, 0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("form", ["kxk-one", "1x1", "groups", "tile"])
def test_a_detached_branch_learns_and_is_a_constant_to_its_input(form: str) -> None:
    torch.manual_seed(3)
    layer = GatedConv2d(nn.Conv2d(4, 6, 3, 1, 1, bias=False), GateSpec(form, maps=3))
    layer.gate.detached = True
    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    weights = torch.randn(2, 6, 8, 8)
    (layer(x) * weights).sum().backward()
    assert layer.gate.branch.weight.grad.norm() > 0
    factor = layer.gate(x).detach().repeat_interleave(6 // layer.gate.spec.maps_for(6), 1)
    (wanted,) = torch.autograd.grad((layer.conv(x) * factor * weights).sum(), x)
    assert torch.allclose(x.grad, wanted, atol=1e-5)


def test_add_gates_takes_the_residual_convolutions_only() -> None:
    model = add_gates(make_net("resnet20", 10), GateSpec())
    gated = [name for name, module in model.named_modules() if isinstance(module, GatedConv2d)]
    assert len(gated) == 18
    assert isinstance(model.conv, nn.Conv2d)


def test_add_gates_takes_the_layers_that_match_a_pattern() -> None:
    model = add_gates(make_net("resnet20", 10), GateSpec("tile", layers="blocks.[0-5].*"))
    gated = [name for name, module in model.named_modules() if isinstance(module, GatedConv2d)]
    assert gated == [f"blocks.{block}.conv{conv}" for block in range(6) for conv in (1, 2)]
    with pytest.raises(TrainingError, match="stage1"):
        add_gates(make_net("resnet20", 10), GateSpec(layers="stage1.*"))


@pytest.mark.parametrize("name", ["nowhere", "blocks.0.bn1", "blocks.9.conv1"])
def test_add_gates_names_a_layer_it_cannot_gate(name: str) -> None:
    with pytest.raises(TrainingError, match=name):
        add_gates(make_net("resnet20", 10), GateSpec(), [name])


def test_after_norm_needs_a_batch_norm() -> None:
    spec = GateSpec(after_norm=True)
    with pytest.raises(TrainingError, match="linear.*not a convolution"):
        add_gates(make_net("resnet20", 10), spec, ["linear"])
    bare = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(TrainingError, match="no batch norm follows"):
        add_gates(bare, spec, ["0"])


class Foreign(nn.Module):
    """A network of somebody else: a sequence, a dilated and a grouped convolution, own names."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2),
            nn.Conv2d(8, 8, (1, 5), padding="same"),
            nn.Conv2d(8, 8, 3),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


@pytest.mark.parametrize("form", ["kxk-one", "1x1", "1x1-one", "groups", "tile"])
def test_any_module_takes_gates(form: str) -> None:
    torch.manual_seed(4)
    model = Foreign()
    x = torch.randn(2, 3, 16, 16)
    shape = model(x).shape
    layers = ["features.0", "features.3", "features.4"]
    add_gates(model, form, layers)
    assert [name for name, _ in gated_layers(model)] == layers
    y = model(x)
    assert y.shape == shape
    y.sum().backward()
    assert all(layer.gate.branch.weight.grad is not None for _, layer in gated_layers(model))


def test_gates_that_would_not_line_up_are_refused() -> None:
    with pytest.raises(TrainingError, match="features.5.*padded by half its kernel"):
        add_gates(Foreign(), "1x1-one", ["features.5"])
    with pytest.raises(TrainingError, match="name them in"):
        add_gates(Foreign(), "kxk-one")
    add_gates(Foreign(), "kxk-one", ["features.5"])


def test_a_gate_after_the_norm_takes_its_warm_start() -> None:
    torch.manual_seed(4)
    dense = make_net("resnet20", 10)
    nn.init.uniform_(dense.blocks[0].bn1.weight)
    gated = add_gates(make_net("resnet20", 10), GateSpec(after_norm=True))
    warm_start(gated, {"model": dense.state_dict()}, Path("c.pt"))
    assert torch.equal(gated.blocks[0].conv1.norm.weight, dense.blocks[0].bn1.weight)
    for _, layer in gated_layers(gated):
        layer.gate.set_threshold(100.0)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(gated.eval()(x), dense.eval()(x), atol=1e-5)
