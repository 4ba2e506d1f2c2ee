"""Gates per block in bottlenecks and in networks of other packages; branches that see means."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from foreign_nets import ForeignBlock, ForeignNet
from make_variants import halve_block_gates
from torch import nn

from sluice_training.block_gates import (
    WHOLE_MAP,
    BlockForm,
    BlockGate,
    BlockGateSpec,
    add_block_gates,
    gated_blocks,
    torchvision_form,
)
from sluice_training.errors import TrainingError
from sluice_training.macs import MaskRecorder, count_macs
from sluice_training.nets import Bottleneck, add_gates, make_net, projection
from sluice_training.onnx_file import run_onnx, to_onnx


def halved(model: nn.Module) -> nn.Module:
    """In evaluation mode, with about half of each gate's positions active on random images."""
    torch.manual_seed(3)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.2)
    halve_block_gates(model.eval())
    return model


@pytest.mark.parametrize("training", [False, True])
def test_a_bottleneck_masks_all_three_convolutions(training: bool) -> None:
    torch.manual_seed(3)
    block = Bottleneck(16, 8, 2, projection(16, 32, 2)).train(training)
    x = torch.randn(2, 16, 9, 7)
    mask = (torch.rand(2, 1, 5, 4) < 0.5).float()
    block.gate = lambda _: mask
    h = block.bn1(block.conv1(x)).relu() * mask
    h = block.bn2(block.conv2(h)).relu() * mask
    wanted = (block.bn3(block.conv3(h)) * mask + block.shortcut(x)).relu()
    assert torch.allclose(block(x), wanted, atol=1e-5)


def test_macs_of_resnet50() -> None:
    """Per position of a stage of width w: 17 w^2 within it, 18 w^2 in the very first block, 23 w^2
    in the first of the others, shortcut counted; positions times w^2 are the same in all stages."""
    unit = 56 * 56 * 64 * 64
    blocks = (18 + 2 * 17) + (23 + 3 * 17) + (23 + 5 * 17) + (23 + 2 * 17)
    spec = BlockGateSpec(grains=(4, 4, 2, 1))
    report = count_macs(add_block_gates(make_net("resnet50", 1000), spec), (3, 224, 224))
    assert report.dense == blocks * unit + 112 * 112 * 64 * 147 + 2048 * 1000
    shortcuts = 4 + 3 * 8
    assert sum(layer.conv for layer in report.layers) == (blocks - shortcuts) * unit
    assert len(report.layers) == 16


def test_bottlenecks_get_lccls_in_their_last_two_convolutions() -> None:
    model = add_gates(make_net("resnet50", 10), "kxk-one")
    layers = [layer.name for layer in count_macs(model, (3, 32, 32)).layers]
    assert len(layers) == 32
    assert layers[:2] == ["blocks.0.conv2", "blocks.0.conv3"]


def test_forms_of_torchvision_blocks() -> None:
    pairs = (("conv1", "bn1"), ("conv2", "bn2"))
    assert torchvision_form(ForeignBlock(8, 16, 2)) == BlockForm(8, 2, pairs)
    assert torchvision_form(ForeignBlock(8, 8, 1, True)).masked == (*pairs, ("conv3", "bn3"))
    # The first convolution of a strided bottleneck gives twice as many rows as the block.
    strided = torchvision_form(ForeignBlock(32, 16, 2, True))
    assert strided == BlockForm(32, 2, (("conv2", "bn2"), ("conv3", "bn3")))
    assert torchvision_form(nn.Sequential(nn.Conv2d(3, 3, 1))) is None
    assert torchvision_form(ForeignNet()) is None


@pytest.mark.parametrize("bottleneck", [False, True])
def test_foreign_blocks_are_masked(bottleneck: bool) -> None:
    """A skipped position is the shortcut; the layers before the last are masked as well."""
    model = halved(add_block_gates(ForeignNet(bottleneck=bottleneck), BlockGateSpec()))
    assert [name for name, _ in gated_blocks(model)] == ["layer1.0", "layer1.1", "layer2.0"]
    for _, block in gated_blocks(model):
        seen, shortcuts, inner = {}, {}, {}
        block.gate.observer = lambda mask: seen.update(mask=mask)
        block.register_forward_pre_hook(lambda m, i: shortcuts.update(x=i[0].clone()))
        block.bn2.register_forward_hook(lambda m, i, o: inner.update(y=o.clone()))
        y = {}
        handle = block.register_forward_hook(lambda m, i, o: y.update(y=o.clone()))
        with torch.no_grad():
            model(torch.randn(2, 3, 16, 16))
            down = block.downsample or nn.Identity()
            shortcut = down(shortcuts["x"]).relu()
        handle.remove()
        skipped = seen["mask"] == 0
        assert 0.2 < skipped.float().mean() < 0.8
        assert torch.equal(y["y"][skipped.expand_as(y["y"])], shortcut[skipped.expand_as(shortcut)])
        assert not torch.allclose(y["y"], shortcut)
        assert inner["y"][skipped.expand_as(inner["y"])].abs().max() == 0


def test_copies_of_foreign_networks_have_gates_of_their_own() -> None:
    model = halved(add_block_gates(ForeignNet(), BlockGateSpec()))
    images = torch.randn(2, 3, 16, 16)
    model(images)
    copied = copy.deepcopy(model)
    for _, block in gated_blocks(copied):
        block.gate.set_threshold(-1e6)
    with torch.no_grad():
        wanted = model(images)
        assert not torch.allclose(copied(images), wanted)
        assert torch.equal(model(images), wanted)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_foreign_networks_are_counted_and_exported(bottleneck: bool) -> None:
    spec = BlockGateSpec(grains=(4, 1))
    model = halved(add_block_gates(ForeignNet(bottleneck=bottleneck), spec))
    images = torch.randn(3, 3, 16, 16)
    report, recorder = count_macs(model, (3, 16, 16)), MaskRecorder(model)
    with torch.no_grad(), recorder:
        wanted = model(images).numpy()
    last = recorder.fill(report).layers[-1]
    inputs, inner = (32, 16 * 9 * 16 + 16 * 64) if bottleneck else (8, 9 * 16 * (8 + 16))
    assert (last.conv, last.branch) == (8 * 8 * inner, 8 * 8 * 9 * inputs)
    assert 0.2 < last.density < 0.8
    proto = to_onnx(model, (3, 16, 16))
    assert np.allclose(run_onnx(proto, images.numpy()), wanted, atol=1e-4)


def test_what_is_no_block_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="no residual blocks"):
        add_block_gates(ForeignNet(), BlockGateSpec(), form_of=lambda module: None)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("grain", [1, 2, WHOLE_MAP])
def test_branches_may_see_the_mean_of_their_outputs_inputs(grain: int, stride: int) -> None:
    """A 1x1 branch of weight 1 on one channel is the mean, tile by tile."""
    gate = BlockGate(1, stride, grain, BlockGateSpec(branch="1x1", pool="mean")).eval()
    gate.branch.weight.data.fill_(1.0)
    torch.manual_seed(3)
    x = torch.randn(2, 1, 8, 8)
    found = gate(x)
    tile = 8 if grain == WHOLE_MAP else stride * grain
    side = 8 // stride
    for i in range(side):
        for j in range(side):
            a, b = i * stride // tile * tile, j * stride // tile * tile
            means = x[:, 0, a : a + tile, b : b + tile].mean(dim=(1, 2))
            assert torch.equal(found[:, 0, i, j], (means > 0).float())


def test_a_context_is_added_to_every_position() -> None:
    gate = BlockGate(2, 1, 1, BlockGateSpec(context=True)).eval()
    nn.init.normal_(gate.branch.weight)
    nn.init.normal_(gate.context.weight, 0, 4)
    torch.manual_seed(3)
    x = torch.randn(8, 2, 6, 6)
    added = torch.einsum("nc,c->n", x.mean(dim=(2, 3)), gate.context.weight.flatten())
    wanted = gate.branch(x) + added[:, None, None, None] > 0
    assert torch.equal(gate(x), wanted.float())
    assert not torch.equal(wanted, gate.branch(x) > 0)
    model = add_block_gates(make_net("resnet20", 10), BlockGateSpec(context=True, grains=(1, 0, 0)))
    first, *_, last = count_macs(model, (3, 32, 32)).layers
    assert (first.branch, last.branch) == (32 * 32 * 9 * 16 + 16, 64)


def test_gradients_are_those_of_the_sigmoid_at_a_temperature() -> None:
    """An attached gate passes them on to its input."""
    gate = BlockGate(1, 1, WHOLE_MAP).train()
    gate.branch.weight.data.fill_(1.0)
    gate.temperature, gate.attached = 4.0, True
    x = torch.full((1, 1, 2, 2), 2.0, requires_grad=True)
    gate(x)[0, 0, 0, 0].backward()
    soft = torch.tensor(0.5).sigmoid()
    assert gate.branch.bias.grad.item() == pytest.approx(float(soft * (1 - soft) / 4), rel=1e-5)
    assert x.grad.sum().item() == pytest.approx(float(soft * (1 - soft) / 4), rel=1e-5)


@pytest.mark.parametrize("option", [{"branch": "5x5"}, {"pool": "median"}])
def test_unknown_branches_are_named(option: dict[str, str]) -> None:
    with pytest.raises(TrainingError, match="use 3x3 or 1x1 and max or mean"):
        BlockGateSpec(**option)
