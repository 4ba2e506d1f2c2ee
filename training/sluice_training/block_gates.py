"""Gates per residual block: y = relu(shortcut(x) + g * F(x)), all convolutions of F masked by g.

The mask g is binary: a skipped position is exactly the shortcut. It learns straight through, under
logistic noise (Verelst and Tuytelaars, "Dynamic Convolutions", CVPR 2020, section 3.1), while
`budget.py` holds its density.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sluice_training.errors import TrainingError
from sluice_training.fused import OneMapConv2d
from sluice_training.lccl import GateSpec
from sluice_training.nets import BasicBlock, PreactBlock

BLOCK = "block"
WHOLE_MAP = 0
GRAINS: dict[str, int | None] = {"1": 1, "2": 2, "4": 4, "8": 8, "map": WHOLE_MAP, "none": None}

# In files a mask is clip(SLOPE * z, 0, 1). It is binary, because a sum of float32 products of usual
# size is not as near to 0 as 1 / SLOPE unless it is 0.
SLOPE = 2.0**40
# Uniform noise keeps this distance from 0 and 1, where its logit is infinite.
NOISE_EDGE = 1e-6


@dataclass(frozen=True)
class BlockGateSpec:
    """Which blocks are gated, and how finely.

    grains: of each stage, or one for all. g is constant over t x t outputs for t = 1, 2, 4 or 8 and
        over the whole map for WHOLE_MAP; None leaves the stage dense.
    layers: shell pattern for the names of the blocks to gate, of those whose stage has a grain.
    """

    form: str = BLOCK
    grains: tuple[int | None, ...] = (1,)
    layers: str = "*"

    def __post_init__(self) -> None:
        object.__setattr__(self, "grains", tuple(self.grains))
        if not self.grains or any(grain not in GRAINS.values() for grain in self.grains):
            raise TrainingError(f"grains {self.grains}: each is one of {', '.join(GRAINS)}")


def parse_grains(text: str) -> tuple[int | None, ...]:
    """'4,2,map' as a spec's grains."""
    names = text.split(",")
    for name in names:
        if name not in GRAINS:
            raise TrainingError(f"grain '{name}': use one of {', '.join(GRAINS)}")
    return tuple(GRAINS[name] for name in names)


def spec_of(gate: dict[str, Any]) -> GateSpec | BlockGateSpec:
    """The gates that a checkpoint describes."""
    return BlockGateSpec(**gate) if gate["form"] == BLOCK else GateSpec(**gate)


class _Mask(torch.autograd.Function):
    """1 where z > 0, else 0; its gradient is that of sigmoid(z)."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (z,) = ctx.saved_tensors
        soft = z.sigmoid()
        return gradient * soft * (1 - soft)


class BlockGate(nn.Module):
    """The mask of a block by its input: [N, C, H, W] -> [N, 1, H', W'], zeros and ones.

    H' x W' is the block's output size. At grain 1 a 3x3 branch of the block's stride reads the
    input. At coarser grains it reads the max-pooled input, and its values are repeated. For the
    whole map a 1x1 branch reads the mean. The input is detached: branches pass no gradient on.

    `noise` scales the logistic noise of the masks in training. `observer`, where set, is called
    with the masks of every batch, not detached, because the budget's loss reads them.
    """

    # How far calibration shifts thresholds, to either side.
    REACH = 8.0

    def __init__(self, conv: nn.Conv2d, grain: int) -> None:
        super().__init__()
        self.grain = grain
        self.stride = conv.stride[0]
        step = self.stride if grain == 1 else 1
        if grain == WHOLE_MAP:
            self.branch = nn.Conv2d(conv.in_channels, 1, 1)
        else:
            self.branch = OneMapConv2d(conv.in_channels, 1, 3, step, 1)
        nn.init.normal_(self.branch.weight, 0, 0.01)
        nn.init.zeros_(self.branch.bias)
        self.noise: float | torch.Tensor = 0.0
        self.observer: Callable[[torch.Tensor], None] | None = None

    @property
    def threshold(self) -> float:
        return self.branch.bias.item()

    def set_threshold(self, threshold: float) -> None:
        """The gate is active where its branch, without its bias, exceeds -threshold."""
        self.branch.bias.data.fill_(threshold)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = tuple(-(-int(extent) // self.stride) for extent in x.shape[2:])
        z = self.branch(self._pooled(x.detach()))
        if z.dtype != torch.float32:  # a cast to the same type would be a node in exported files
            z = z.float()
        if self.training:
            mask = _Mask.apply(z + self.noise * torch.rand_like(z).logit(NOISE_EDGE))
        else:
            mask = (z * SLOPE).clamp(0.0, 1.0)
        if mask.dtype != x.dtype:
            mask = mask.to(x.dtype)
        mask = self._repeated(mask, size)
        if self.observer is not None:
            self.observer(mask)
        return mask

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        if self.grain == WHOLE_MAP:
            return functional.adaptive_avg_pool2d(x, 1)
        if self.grain > 1:
            return functional.max_pool2d(x, self.grain * self.stride, ceil_mode=True)
        return x

    def _repeated(self, mask: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        if self.grain == 1:
            return mask
        times = size if self.grain == WHOLE_MAP else (self.grain, self.grain)
        mask = functional.interpolate(mask, scale_factor=times, mode="nearest")
        covered = mask.shape[2] == size[0] and mask.shape[3] == size[1]
        return mask if covered else mask[:, :, : size[0], : size[1]]


def gated_blocks(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The blocks of a model that have a gate, with their names, in definition order."""
    for name, module in model.named_modules():
        if isinstance(module, (BasicBlock, PreactBlock)) and module.gate is not None:
            yield name, module


def masked_convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """What a block's mask skips: its own convolutions, not those of a projecting shortcut."""
    return [child for child in block.children() if isinstance(child, nn.Conv2d)]


def staged_blocks(model: nn.Module) -> list[tuple[str, nn.Module, int]]:
    """The residual blocks of this package's networks, each with its stage, the first 0."""
    found: list[tuple[str, nn.Module, int]] = []
    for name, module in model.named_modules():
        if isinstance(module, (BasicBlock, PreactBlock)):
            conv = module.conv1
            starts = bool(found) and (conv.stride[0] > 1 or conv.in_channels != conv.out_channels)
            found.append((name, module, (found[-1][2] if found else 0) + starts))
    return found


def add_block_gates(model: nn.Module, spec: BlockGateSpec) -> nn.Module:
    """Give the model's residual blocks gates, in place; returns the model.

    Raises TrainingError where it has no such blocks, another number of stages than the spec, or no
    block that the spec names.
    """
    blocks = staged_blocks(model)
    if not blocks:
        raise TrainingError("no residual blocks to gate in this network; use an LCCL form")
    stages = blocks[-1][2] + 1
    grains = spec.grains * stages if len(spec.grains) == 1 else spec.grains
    if len(grains) != stages:
        raise TrainingError(f"{len(grains)} grains for {stages} stages; give one for each")
    chosen = [
        (block, grains[stage])
        for name, block, stage in blocks
        if grains[stage] is not None and fnmatchcase(name, spec.layers)
    ]
    if not chosen:
        raise TrainingError(f"no block to gate matches '{spec.layers}'; there is {blocks[0][0]}")
    for block, grain in chosen:
        block.gate = BlockGate(block.conv1, grain)
    return model


def set_density(model: nn.Module, density: float) -> None:
    """Let all block gates of a model start at a density, under the noise that they learn with."""
    for _, block in gated_blocks(model):
        block.gate.set_threshold(math.log(density / (1 - density)))
