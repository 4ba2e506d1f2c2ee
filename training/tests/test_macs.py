"""MACs by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sluice_training.block_gates import WHOLE_MAP, BlockGateSpec, add_block_gates, gated_blocks
from sluice_training.lccl import GatedConv2d, GateSpec
from sluice_training.macs import MaskRecorder, count_macs
from sluice_training.nets import add_gates, make_net

# ResNet-20 (He et al., 2016, section 4.2): stem 32*32*16*27; three stages of six 3x3 convolutions
# of 2,359,296 MACs each, but for the first of stages 2 and 3, which has half the inputs.
RESNET20 = 32 * 32 * 16 * 27 + 16 * 2_359_296 + 2 * 1_179_648 + 64 * 10
# One 3x3 map at the output's size and the layer's input channels.
KXK_BRANCHES = 9 * (6 * 1024 * 16 + 256 * (16 + 5 * 32) + 64 * (32 + 5 * 64))
ONE_BRANCHES = KXK_BRANCHES // 9
K_BRANCHES = 6 * 1024 * 16 * 16 + 256 * 32 * (16 + 5 * 32) + 64 * 64 * (32 + 5 * 64)


def test_dense_resnet20() -> None:
    assert count_macs(make_net("resnet20", 10), (3, 32, 32)).dense == RESNET20 == 40_551_040


def test_the_preactivation_twin_has_the_same_macs() -> None:
    assert count_macs(make_net("preresnet20", 10), (3, 32, 32)).dense == RESNET20


def test_resnet18_and_34_at_224() -> None:
    """He et al. (2015), table 1: a 3x3 convolution inside a stage has 115,605,504 MACs, the first
    of stages 2 to 4 half of that, their 1x1 shortcuts 6,422,528; stem and linear besides."""
    inside, stem, linear = 115_605_504, 112 * 112 * 64 * 147, 512 * 1000
    edges = 3 * (inside // 2 + 6_422_528) + stem + linear
    for name, inner in (("resnet18", 4 + 3 * 3), ("resnet34", 6 + 7 + 11 + 5)):
        report = count_macs(make_net(name, 1000), (3, 224, 224))
        assert report.dense == inner * inside + edges
    model = add_gates(make_net("resnet18", 1000), "kxk-one")
    report = count_macs(model, (3, 224, 224))
    assert len(report.layers) == 16
    taps = 56**2 * 64 * 4 + sum(s * s * c * 7 // 2 for s, c in ((28, 128), (14, 256), (7, 512)))
    assert report.branches == 9 * taps


@pytest.mark.parametrize(
    ("spec", "branches"),
    [
        (GateSpec("kxk-one"), KXK_BRANCHES),
        (GateSpec("1x1-one"), ONE_BRANCHES),
        (GateSpec("1x1"), K_BRANCHES),
        (GateSpec("groups", maps=4), 4 * KXK_BRANCHES),
        # Tiles of 4x4 outputs: 8x8, 4x4 and 2x2 of them in the three stages.
        (GateSpec("tile", grid=4), ONE_BRANCHES // 16),
    ],
    ids=lambda value: getattr(value, "form", ""),
)
def test_branches_of_each_form(spec: GateSpec, branches: int) -> None:
    report = count_macs(add_gates(make_net("resnet20", 10), spec), (3, 32, 32))
    assert (report.dense, report.branches) == (RESNET20, branches)
    assert report.executed == RESNET20 + branches


def test_tile_branch_runs_once_a_tile() -> None:
    layer = nn.Sequential(GatedConv2d(nn.Conv2d(8, 4, 3, 1, 1), GateSpec("tile", grid=4)))
    assert count_macs(layer, (8, 16, 16)).branches == 4 * 4 * 8


def test_masks_are_counted_and_dead_maps_told_apart() -> None:
    """Two gate maps of two channels each on 4x4 pixels: one dead, one active on a quarter."""
    spec = GateSpec("groups", maps=2)
    layer = nn.Sequential(GatedConv2d(nn.Conv2d(1, 4, 1, bias=False), spec)).eval()
    gate = layer[0].gate
    gate.branch.weight.data.copy_(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1))
    gate.norm.bias.data.copy_(torch.tensor([-1.0, 0.0]))
    image = torch.full((1, 1, 4, 4), -1.0)
    image[0, 0, 0] = 1.0
    recorder = MaskRecorder(layer)
    with torch.no_grad(), recorder:
        layer(image)
    report = recorder.fill(count_macs(layer, (1, 4, 4)))
    conv, branch = 4 * 16, 2 * 16
    assert (report.dense, report.branches) == (conv, branch)
    assert report.layers[0].density == 4 / 32
    assert report.layers[0].dead == 0.5
    assert report.executed == conv / 8 + branch
    assert report.cut == pytest.approx(1 - (8 + 32) / 64)
    assert report.cut_by_live_gates == pytest.approx(report.cut - 0.5)
    assert (report.cut_by_dead_gates, report.dead_maps) == (0.5, 1)


@pytest.mark.parametrize(
    ("grains", "branches"),
    [
        # A 3x3 branch at the block's output size and its input channels.
        ((1,), 9 * (3 * 1024 * 16 + 256 * (16 + 2 * 32) + 64 * (32 + 2 * 64))),
        # Grain 4 has 8x8 positions in stage 1, grain 2 has 8x8 in stage 2; the map one of 1x1 taps.
        ((4, 2, WHOLE_MAP), 9 * (3 * 64 * 16 + 64 * (16 + 2 * 32)) + 32 + 2 * 64),
        ((None, 1, None), 9 * 256 * (16 + 2 * 32)),
    ],
)
def test_branches_per_block(grains: tuple[int | None, ...], branches: int) -> None:
    model = add_block_gates(make_net("resnet20", 10), BlockGateSpec(grains=grains))
    report = count_macs(model, (3, 32, 32))
    assert (report.dense, report.branches) == (RESNET20, branches)


def test_a_projecting_shortcut_is_not_masked() -> None:
    """Stage 2 of ResNet-18: two convolutions at 28x28, the first of 64 inputs, and a 1x1 beside."""
    model = add_block_gates(make_net("resnet18", 10), BlockGateSpec(layers="blocks.2"))
    (block,) = count_macs(model, (3, 224, 224)).layers
    assert (block.name, block.conv) == ("blocks.2", 28 * 28 * 128 * 9 * (64 + 128))


def test_both_convolutions_of_a_block_are_masked_and_dead_blocks_told_apart() -> None:
    """The first block is active at a quarter of its 32x32 positions, the second at 5 of 1024."""
    model = add_block_gates(make_net("resnet20", 10), BlockGateSpec(layers="blocks.[01]")).eval()
    masks = [torch.zeros(1, 1, 32, 32) for _ in range(2)]
    masks[0][..., :16, :16] = 1
    masks[1][..., 0, :5] = 1
    gates = [block.gate for _, block in gated_blocks(model)]
    recorder = MaskRecorder(model)
    with recorder:
        for gate, mask in zip(gates, masks):
            gate.observer(mask)
    report = recorder.fill(count_macs(model, (3, 32, 32)))
    block, branch = 2 * 2_359_296, 9 * 16 * 1024
    assert [layer.density for layer in report.layers] == [0.25, 5 / 1024]
    skipped = block * (0.75 + 1019 / 1024)
    assert report.executed == RESNET20 + 2 * branch - skipped
    assert report.cut == pytest.approx((skipped - 2 * branch) / RESNET20)
    assert (report.dead_blocks, report.dead_maps) == (["blocks.1"], 1)
    assert report.cut_by_live_gates == pytest.approx(report.cut - block * 1019 / 1024 / RESNET20)
