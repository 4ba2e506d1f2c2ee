"""Gates per block: masks, their gradient, the blocks they skip, and what add_block_gates takes."""

from __future__ import annotations

import pytest
import torch
from make_variants import VARIANTS, halve_block_gates, randomize
from torch import nn
from torch.nn import functional

from sluice_training.block_gates import (
    WHOLE_MAP,
    BlockGate,
    BlockGateSpec,
    add_block_gates,
    gated_blocks,
    parse_grains,
    set_density,
    spec_of,
)
from sluice_training.errors import TrainingError
from sluice_training.lccl import GateSpec
from sluice_training.nets import BasicBlock, PreactBlock, conv3x3, make_net

BLOCK_VARIANTS = [name for name in VARIANTS if name.startswith("block")]


def scalar_mask(gate: BlockGate, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The mask [N, 1, H', W'] of an input, position by position, from its tile's logit."""
    mask = torch.zeros(len(x), 1, *size)
    for n, image in enumerate(x.double()):
        if gate.grain == WHOLE_MAP:
            maps = image.mean(dim=(1, 2), keepdim=True)
        elif gate.grain > 1:
            side = gate.grain * gate.stride
            rows, columns = -(-image.shape[1] // side), -(-image.shape[2] // side)
            maps = torch.stack([
                image[:, i * side : (i + 1) * side, j * side : (j + 1) * side].amax(dim=(1, 2))
                for i in range(rows) for j in range(columns)
            ], dim=1).reshape(-1, rows, columns)  # fmt: skip
        else:
            maps = image
        weight, bias = gate.branch.weight[0].double(), float(gate.branch.bias)
        reach, step = weight.shape[1] // 2, gate.stride if gate.grain == 1 else 1
        padded = functional.pad(maps, (reach,) * 4)
        for i in range(size[0]):
            for j in range(size[1]):
                u, v = (0, 0) if gate.grain == WHOLE_MAP else (i // gate.grain, j // gate.grain)
                taps = padded[:, u * step :, v * step :][:, : 2 * reach + 1, : 2 * reach + 1]
                mask[n, 0, i, j] = float((taps * weight).sum() + bias > 0)
    return mask


@pytest.mark.parametrize("side", [16, 13])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("grain", [1, 2, 4, 8, WHOLE_MAP])
def test_masks_equal_the_scalar_definition(grain: int, stride: int, side: int) -> None:
    torch.manual_seed(3)
    gate = BlockGate(5, stride, grain).eval()
    nn.init.normal_(gate.branch.weight)
    x = torch.randn(4, 5, side, side + 3)
    size = tuple(conv3x3(5, 6, stride)(x).shape[2:])
    with torch.no_grad():
        gate.branch.bias.fill_(-float(gate.branch(gate._pooled(x)).median()) + 1e-3)
        found = gate(x)
        wanted = scalar_mask(gate, x, size)
    assert torch.equal(found, wanted)
    assert 0 < wanted.mean() < 1


@pytest.mark.parametrize("name", BLOCK_VARIANTS)
@pytest.mark.parametrize("training", [False, True])
def test_masks_are_binary(name: str, training: bool) -> None:
    torch.manual_seed(3)
    model = VARIANTS[name]()
    randomize(model)
    model.train(training)
    seen = []
    for _, block in gated_blocks(model):
        block.gate.noise = 1.0
        block.gate.observer = seen.append
    model(torch.randn(4, 3, 32, 32))
    values = torch.cat([mask.flatten() for mask in seen])
    assert values.unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("training", [False, True])
def test_a_basic_block_masks_both_convolutions(training: bool) -> None:
    torch.manual_seed(3)
    block = BasicBlock(8, 16, 2).train(training)
    x = torch.randn(2, 8, 9, 7)
    mask = (torch.rand(2, 1, 5, 4) < 0.5).float()
    block.gate = lambda _: mask
    h = block.bn1(block.conv1(x)).relu() * mask
    wanted = (block.bn2(block.conv2(h)) * mask + block.shortcut(x)).relu()
    found = block(x)
    assert torch.allclose(found, wanted, atol=1e-6)
    skipped = (mask == 0).expand_as(found)
    assert torch.equal(found[skipped], block.shortcut(x).relu()[skipped])


def test_a_preactivation_block_masks_both_convolutions() -> None:
    torch.manual_seed(3)
    block = PreactBlock(8, 16, 2).eval()
    x = torch.randn(2, 8, 9, 7)
    mask = (torch.rand(2, 1, 5, 4) < 0.5).float()
    seen = []
    block.gate = lambda r: seen.append(r) or mask
    r = block.bn1(x).relu()
    h = block.bn2(block.conv1(r)).relu() * mask
    assert torch.allclose(block(x), block.conv2(h) * mask + block.shortcut(x), atol=1e-6)
    assert torch.equal(seen[0], r)


def test_the_gradient_goes_straight_through_the_mask() -> None:
    """d sigmoid(z) / dz at logits -2, 0.5 and 3, whatever the mask says; none to the input."""
    gate = BlockGate(1, 1, WHOLE_MAP).train()
    gate.branch.weight.data.fill_(1.0)
    logits = torch.tensor([-2.0, 0.5, 3.0])
    x = logits.reshape(3, 1, 1, 1).expand(3, 1, 4, 4).clone().requires_grad_()
    mask = gate(x)
    assert mask[:, 0, 0, 0].tolist() == [0.0, 1.0, 1.0]
    weights = torch.tensor([1.0, 10.0, 100.0])
    (mask[:, 0, 0, 0] * weights).sum().backward()
    wanted = weights * logits.sigmoid() * (1 - logits.sigmoid())
    assert gate.branch.bias.grad.item() == pytest.approx(wanted.sum().item(), rel=1e-5)
    assert gate.branch.weight.grad.item() == pytest.approx((wanted * logits).sum().item(), rel=1e-5)
    assert x.grad is None


@pytest.mark.parametrize("density", [0.55, 0.2])
def test_gates_start_at_a_density_under_noise_and_lose_it_without(density: float) -> None:
    torch.manual_seed(3)
    model = add_block_gates(make_net("resnet20", 10), BlockGateSpec())
    set_density(model, density)
    gate = model.blocks[0].gate.train()
    gate.noise = 1.0
    x = torch.randn(32, 16, 32, 32)
    with torch.no_grad():
        assert float(gate(x).mean()) == pytest.approx(density, abs=0.02)
        gate.noise = 0.0
        alike = gate(x) == float(density > 0.5)
    assert alike.float().mean() > 0.9


def test_add_block_gates_takes_stages_and_patterns() -> None:
    def gated(name: str, **spec: object) -> dict[str, int]:
        model = add_block_gates(make_net(name, 10), BlockGateSpec(**spec))
        return {name: block.gate.grain for name, block in gated_blocks(model)}

    assert gated("resnet20") == {f"blocks.{i}": 1 for i in range(9)}
    assert gated("preresnet20", grains=(4, None, WHOLE_MAP)) == (
        {f"blocks.{i}": 4 for i in range(3)} | {f"blocks.{i}": WHOLE_MAP for i in range(6, 9)}
    )
    assert gated("resnet20", layers="blocks.[1-3]", grains=(1, 2, 1)) == (
        {"blocks.1": 1, "blocks.2": 1, "blocks.3": 2}
    )
    assert list(gated("resnet18", grains=(4, 4, 2, 1)).values()) == [4, 4, 4, 4, 2, 2, 1, 1]
    for spec, named in (
        ({"grains": (1, 1)}, "2 grains for 3 stages"),
        ({"layers": "conv*"}, "no block to gate matches 'conv\\*'; there is blocks.0"),
        ({"grains": (None,)}, "no block to gate"),
        ({"grains": (3,)}, "grains"),
    ):
        with pytest.raises(TrainingError, match=named):
            gated("resnet20", **spec)
    with pytest.raises(TrainingError, match="no residual blocks"):
        add_block_gates(nn.Sequential(nn.Conv2d(3, 3, 3)), BlockGateSpec())


def test_grains_are_named() -> None:
    assert parse_grains("4,2,map") == (4, 2, WHOLE_MAP)
    assert parse_grains("none,1") == (None, 1)
    for text in ("3", "1,,1", "0"):
        with pytest.raises(TrainingError, match="use one of 1, 2, 4, 8, map, none"):
            parse_grains(text)


def test_stored_gates_are_told_apart() -> None:
    stored = {"form": "block", "grains": [4, None], "layers": "*"}
    assert spec_of(stored) == BlockGateSpec(grains=(4, None))
    assert spec_of(GateSpec("tile").__dict__) == GateSpec("tile")


def test_halved_gates_are_active_at_half_of_their_positions() -> None:
    """What the exported variants are tested with."""
    torch.manual_seed(3)
    model = VARIANTS["block"]()
    randomize(model)
    halve_block_gates(model)
    seen = []
    for _, block in gated_blocks(model):
        block.gate.observer = lambda mask: seen.append(float(mask.mean()))
    with torch.no_grad():
        model(torch.randn(16, 3, 32, 32))
    assert seen == pytest.approx([0.5, 0.5], abs=0.1)
