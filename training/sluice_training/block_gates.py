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
from sluice_training.nets import BasicBlock, Bottleneck, PreactBlock

BLOCK = "block"
OWN_BLOCKS = (BasicBlock, Bottleneck, PreactBlock)
BRANCHES, POOLS = ("3x3", "1x1"), ("max", "mean")
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
    layers: shell patterns for the names of the blocks to gate, of those whose stage has a grain, with
        commas between them.
    branch: kernel of the branches, "3x3" or "1x1"; for the whole map it is 1x1.
    pool: what a coarser gate sees of its outputs' inputs, their "max" or their "mean".
    context: whether a 1x1 branch on the whole map's mean is added, the same for all positions.
    closed: names of the blocks that are left out of the network; see closed_blocks.py.
    """

    form: str = BLOCK
    grains: tuple[int | None, ...] = (1,)
    layers: str = "*"
    branch: str = "3x3"
    pool: str = "max"
    context: bool = False
    closed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "grains", tuple(self.grains))
        object.__setattr__(self, "closed", tuple(self.closed))
        if not self.grains or any(grain not in GRAINS.values() for grain in self.grains):
            raise TrainingError(f"grains {self.grains}: each is one of {', '.join(GRAINS)}")
        if self.branch not in BRANCHES or self.pool not in POOLS:
            raise TrainingError(
                f"branch '{self.branch}', pool '{self.pool}': use {' or '.join(BRANCHES)} and "
                f"{' or '.join(POOLS)}"
            )


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


@dataclass(frozen=True)
class BlockForm:
    """What add_block_gates must know of a residual block act(shortcut(x) + F(x)) of another package.

    inputs, stride: channels that the block reads, and by what it shrinks the image.
    masked: pairs of names within the block, of a convolution of F and of the module whose output
        the mask multiplies: the batch norm that follows it, or the convolution itself where none
        does. Those outputs are as large as the block's. The last pair is the end of F.
    """

    inputs: int
    stride: int
    masked: tuple[tuple[str, str], ...]


class _Mask(torch.autograd.Function):
    """1 where z > 0, else 0; its gradient is that of sigmoid(z / temperature)."""

    @staticmethod
    def forward(ctx, z, temperature):
        ctx.save_for_backward(z)
        ctx.temperature = temperature
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (z,) = ctx.saved_tensors
        soft = (z / ctx.temperature).sigmoid()
        return gradient * soft * (1 - soft) / ctx.temperature, None


class BlockGate(nn.Module):
    """The mask of a block by its input: [N, C, H, W] -> [N, 1, H', W'], zeros and ones.

    H' x W' is the block's output size. At grain 1 a 3x3 branch of the block's stride reads the
    input. At coarser grains, and where the branch is 1x1, it reads the pooled input, and its values
    are repeated. For the whole map a 1x1 branch reads the mean; with a `context` such a branch is added
    to the others. The input is detached unless the
    gate is `attached`: branches pass no gradient on.

    inputs, stride: channels that the block reads, and by what it shrinks the image.
    spec: its `branch`, `pool` and `context` are used.

    `noise` scales the logistic noise of the masks in training, `temperature` smoothes their
    gradient. `observer`, where set, is called with the masks of every batch, not detached, because
    the budget's loss reads them.
    """

    # How far calibration shifts thresholds, to either side.
    REACH = 8.0

    def __init__(
        self, inputs: int, stride: int, grain: int, spec: BlockGateSpec = BlockGateSpec()
    ) -> None:
        super().__init__()
        self.grain = grain
        self.stride = stride
        self.pool = spec.pool
        # How many inputs a pixel of what the branch reads stands for, along each side.
        self.pooled = stride * grain if grain > 1 or spec.branch == "1x1" else 1
        if grain == WHOLE_MAP or spec.branch == "1x1":
            self.branch = nn.Conv2d(inputs, 1, 1)
        else:
            self.branch = OneMapConv2d(inputs, 1, 3, stride if grain == 1 else 1, 1)
        self.context = None
        if spec.context and grain != WHOLE_MAP:
            # The branch's bias serves both.
            self.context = nn.Conv2d(inputs, 1, 1, bias=False)
            nn.init.normal_(self.context.weight, 0, 0.01)
        nn.init.normal_(self.branch.weight, 0, 0.01)
        nn.init.zeros_(self.branch.bias)
        self.attached = False
        self.noise: float | torch.Tensor = 0.0
        self.temperature: float | torch.Tensor = 1.0
        self.observer: Callable[[torch.Tensor], None] | None = None
        self.form: BlockForm | None = None
        self._mask: torch.Tensor | None = None

    def mask_from_outside(self, block: nn.Module, form: BlockForm) -> None:
        """Mask a block that knows nothing of gates, by hooks that go with it where it is copied."""
        self.form = form
        block.register_forward_pre_hook(self._keep_mask)
        for _, name in form.masked:
            block.get_submodule(name).register_forward_hook(self._multiply)
        block.register_forward_hook(self._drop_mask)

    def _keep_mask(self, _block: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._mask = self(inputs[0])

    def _multiply(self, _module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output * self._mask

    def _drop_mask(self, _block: nn.Module, _inputs: Any, _output: Any) -> None:
        self._mask = None

    @property
    def threshold(self) -> float:
        return self.branch.bias.item()

    def set_threshold(self, threshold: float) -> None:
        """The gate is active where its branch, without its bias, exceeds -threshold."""
        self.branch.bias.data.fill_(threshold)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = tuple(-(-int(extent) // self.stride) for extent in x.shape[2:])
        seen = x if self.attached else x.detach()
        z = self.branch(self._pooled(seen))
        if self.context is not None:
            z = z + self.context(functional.adaptive_avg_pool2d(seen, 1))
        if z.dtype != torch.float32:  # a cast to the same type would be a node in exported files
            z = z.float()
        if self.training:
            noisy = z + self.noise * torch.rand_like(z).logit(NOISE_EDGE)
            mask = _Mask.apply(noisy, self.temperature)
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
        if self.pooled == 1:
            return x
        pool = functional.max_pool2d if self.pool == "max" else functional.avg_pool2d
        return pool(x, self.pooled, ceil_mode=True)

    def _repeated(self, mask: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        if self.grain == 1:
            return mask
        times = size if self.grain == WHOLE_MAP else (self.grain, self.grain)
        mask = functional.interpolate(mask, scale_factor=times, mode="nearest")
        covered = mask.shape[2] == size[0] and mask.shape[3] == size[1]
        return mask if covered else mask[:, :, : size[0], : size[1]]


def torchvision_form(block: nn.Module) -> BlockForm | None:
    """The form of a block that is built as in torchvision's ResNets; None for any other module.

    Such a block has conv1, bn1, conv2, bn2, perhaps conv3, bn3, and a downsample beside them.
    Convolutions before the block's stride stay dense: their outputs are larger than its mask.
    """
    names = [f"conv{i}" for i in (1, 2, 3)]
    names = [name for name in names if isinstance(getattr(block, name, None), nn.Conv2d)]
    norms = [f"bn{name[-1]}" for name in names]
    if len(names) < 2 or not hasattr(block, "downsample"):
        return None
    if not all(isinstance(getattr(block, norm, None), nn.Module) for norm in norms):
        return None
    strides = [getattr(block, name).stride[0] for name in names]
    last = max((i for i, stride in enumerate(strides) if stride > 1), default=0)
    inputs = getattr(block, names[0]).in_channels
    pairs = tuple(zip(names[last:], norms[last:]))
    return BlockForm(inputs, math.prod(strides), pairs)


def own_form(block: nn.Module) -> BlockForm | None:
    """The form of a block of this package, which masks itself."""
    if not isinstance(block, OWN_BLOCKS):
        return None
    children = dict(block.named_children())
    names = [name for name in ("conv1", "conv2", "conv3") if name in children]
    # That of an LCCL's layer is within it.
    convolutions = [getattr(children[name], "conv", children[name]) for name in names]
    stride = math.prod(conv.stride[0] for conv in convolutions)
    return BlockForm(convolutions[0].in_channels, stride, tuple(zip(names, names)))


def gated_blocks(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The blocks of a model that have a gate, with their names, in definition order."""
    for name, module in model.named_modules():
        gate = getattr(module, "gate", None)
        if isinstance(gate, BlockGate) or (isinstance(module, OWN_BLOCKS) and gate is not None):
            yield name, module


def masked_convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """What a gated block's mask skips: not its projecting shortcut."""
    form = own_form(block) or block.gate.form
    return [block.get_submodule(name) for name, _ in form.masked]


def staged_blocks(
    model: nn.Module, form_of: Callable[[nn.Module], BlockForm | None]
) -> list[tuple[str, nn.Module, BlockForm, int]]:
    """The residual blocks of a network, each with its form and its stage, the first 0."""
    found: list[tuple[str, nn.Module, BlockForm, int]] = []
    for name, module in model.named_modules():
        form = own_form(module) or form_of(module)
        if form is None:
            continue
        last = module.get_submodule(form.masked[-1][0])
        outputs = getattr(last, "conv", last).out_channels  # beneath an LCCL, if it has one
        starts = bool(found) and (form.stride > 1 or form.inputs != outputs)
        found.append((name, module, form, (found[-1][3] if found else 0) + starts))
    return found


def add_block_gates(
    model: nn.Module,
    spec: BlockGateSpec,
    form_of: Callable[[nn.Module], BlockForm | None] = torchvision_form,
) -> nn.Module:
    """Give the model's residual blocks gates, in place, its weights and their names kept.

    form_of: says of each module that is a residual block of another package what to mask in it, and
        None of others. A stage begins where a block's stride or channels change.

    Returns the model. Raises TrainingError where it has no such blocks, another number of stages
    than the spec, or no block that the spec names.
    """
    blocks = staged_blocks(model, form_of)
    if not blocks:
        raise TrainingError("no residual blocks to gate in this network; use an LCCL form")
    stages = blocks[-1][3] + 1
    grains = spec.grains * stages if len(spec.grains) == 1 else spec.grains
    if len(grains) != stages:
        raise TrainingError(f"{len(grains)} grains for {stages} stages; give one for each")
    chosen = [
        (block, form, grains[stage])
        for name, block, form, stage in blocks
        if grains[stage] is not None
        and any(fnmatchcase(name, pattern) for pattern in spec.layers.split(","))
    ]
    if not chosen:
        raise TrainingError(f"no block to gate matches '{spec.layers}'; there is {blocks[0][0]}")
    for block, form, grain in chosen:
        block.gate = BlockGate(form.inputs, form.stride, grain, spec)
        if not isinstance(block, OWN_BLOCKS):
            block.gate.mask_from_outside(block, form)
    return model


def set_density(model: nn.Module, density: float) -> None:
    """Let all block gates of a model start at a density, under the noise that they learn with."""
    for _, block in gated_blocks(model):
        block.gate.set_threshold(math.log(density / (1 - density)))
