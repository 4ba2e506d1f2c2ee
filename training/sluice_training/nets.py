"""Residual networks (He et al., "Deep Residual Learning", 2016) and gates for any network."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sluice_training.errors import TrainingError
from sluice_training.fused import norm_relu
from sluice_training.lccl import GatedConv2d, GateSpec, conv_norm_relu

LARGE_STAGES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
BOTTLENECKS = ("resnet50",)
CIFAR_DEPTHS = {f"resnet{depth}": depth for depth in (20, 32, 44, 56, 110)}


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


class PaddedShortcut(nn.Module):
    """Option A of He et al.: every second pixel, new channels zero; the identity at stride 1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.before or self.after:
            x = functional.pad(x, (0, 0, 0, 0, self.before, self.after))
        return x


class BasicBlock(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)), [N, C, H, W] -> [N, K, H/s, W/s].

    With a `gate`, of block_gates.py, all but the shortcut is masked by it.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, shortcut: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut or PaddedShortcut(inputs, outputs, stride)
        self.gate: nn.Module | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = None if self.gate is None else self.gate(x)
        h = conv_norm_relu(self.conv1, self.bn1, x, mask=mask)
        return conv_norm_relu(self.conv2, self.bn2, h, self.shortcut(x), mask)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and the shortcut, [N, C, H, W] -> [N, 4 K, H/s, W/s].

    The first convolution has the stride, as in He et al. (2015), so that all three give the block's
    own positions, and the mask of a `gate`, of block_gates.py, serves them all.
    """

    EXPANSION = 4

    def __init__(
        self, inputs: int, width: int, stride: int, shortcut: nn.Module | None = None
    ) -> None:
        super().__init__()
        outputs = self.EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut or PaddedShortcut(inputs, outputs, stride)
        self.gate: nn.Module | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = None if self.gate is None else self.gate(x)
        h = conv_norm_relu(self.conv1, self.bn1, x, mask=mask)
        h = conv_norm_relu(self.conv2, self.bn2, h, mask=mask)
        return conv_norm_relu(self.conv3, self.bn3, h, self.shortcut(x), mask)


class PreactBlock(nn.Module):
    """conv2(relu(bn2(conv1(r)))) + shortcut(x) with r = relu(bn1(x)).

    With a `gate`, of block_gates.py, which reads r, all but the shortcut is masked by it.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = conv3x3(outputs, outputs)
        self.shortcut = PaddedShortcut(inputs, outputs, stride)
        self.gate: nn.Module | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        r = norm_relu(self.bn1, x)
        mask = None if self.gate is None else self.gate(r)
        y = self.conv2(conv_norm_relu(self.conv1, self.bn2, r, mask=mask))
        return (y if mask is None else y * mask) + self.shortcut(x)


class CifarResNet(nn.Module):
    """Three stages of 16, 32 and 64 channels: [N, 3, 32, 32] -> scores [N, classes]."""

    def __init__(self, depth: int, classes: int, preact: bool = False) -> None:
        super().__init__()
        blocks_per_stage = (depth - 2) // 6
        block = PreactBlock if preact else BasicBlock
        self.conv = conv3x3(3, 16)
        self.bn = nn.BatchNorm2d(64 if preact else 16)
        self.preact = preact
        blocks: list[nn.Module] = []
        inputs = 16
        for stage, outputs in enumerate((16, 32, 64)):
            for index in range(blocks_per_stage):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(block(inputs, outputs, stride))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(64, classes)
        self.apply(initialize)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x) if self.preact else conv_norm_relu(self.conv, self.bn, x)
        x = self.blocks(x)
        if self.preact:
            x = norm_relu(self.bn, x)
        return self.linear(x.mean(dim=(2, 3)))


class ResNet(nn.Module):
    """ResNet-18, 34 and 50 of He et al. (2015), table 1: [N, 3, H, W] -> scores [N, classes].

    Images are usually 224x224. Shortcuts of a changed shape are projections (option B).
    """

    def __init__(
        self, blocks_per_stage: tuple[int, ...], classes: int, bottlenecks: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, 1)
        kind = Bottleneck if bottlenecks else BasicBlock
        blocks: list[nn.Module] = []
        inputs = 64
        for stage, (count, width) in enumerate(zip(blocks_per_stage, (64, 128, 256, 512))):
            outputs = width * (Bottleneck.EXPANSION if bottlenecks else 1)
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                shortcut = projection(inputs, outputs, stride) if inputs != outputs else None
                blocks.append(kind(inputs, width, stride, shortcut))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(inputs, classes)
        self.apply(initialize)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(conv_norm_relu(self.conv, self.bn, x))
        return self.linear(self.blocks(x).mean(dim=(2, 3)))


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Option B of He et al.: a strided 1x1 convolution and its batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def initialize(module: nn.Module) -> None:
    """He initialisation, fan out, for convolutions; the rest keeps PyTorch's."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def fold_norms(model: nn.Module) -> nn.Module:
    """Fold the batch norms of a network in evaluation mode into the plain convolutions before them.

    In place, for this file's networks but the pre-activation ones; returns the model.
    """
    for module in model.modules():
        if isinstance(module, (BasicBlock, Bottleneck)):
            pairs = [(f"conv{i}", f"bn{i}") for i in (1, 2, 3) if hasattr(module, f"conv{i}")]
        elif isinstance(module, ResNet) or (isinstance(module, CifarResNet) and not module.preact):
            pairs = [("conv", "bn")]
        else:
            continue
        for conv, norm in pairs:
            if type(getattr(module, conv)) is nn.Conv2d:
                folded = fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm))
                setattr(module, conv, folded)
                setattr(module, norm, nn.Identity())
    return model


def make_net(name: str, classes: int) -> nn.Module:
    """A network by name: resnet20|32|44|56|110, their pre-activation twins preresnet* for 32x32
    images, resnet18|34|50 for 224x224."""
    if name in LARGE_STAGES:
        return ResNet(LARGE_STAGES[name], classes, name in BOTTLENECKS)
    preact = name.startswith("preresnet")
    depth = CIFAR_DEPTHS.get(name.removeprefix("pre") if preact else name)
    if depth is None:
        known = ", ".join([*CIFAR_DEPTHS, *(f"pre{n}" for n in CIFAR_DEPTHS), *LARGE_STAGES])
        raise TrainingError(f"network '{name}' is unknown; use one of {known}")
    return CifarResNet(depth, classes, preact)


def residual_convolutions(model: nn.Module) -> list[str]:
    """The convolutions the authors gate: in basic blocks both, in bottlenecks the last two; not the
    stem, not shortcuts."""
    return [
        f"{parent}.{name}"
        for parent, block in model.named_modules()
        for name, module in block.named_children()
        if isinstance(module, nn.Conv2d) and parent.startswith("blocks.") and name.startswith("conv")
        if not (isinstance(block, Bottleneck) and name == "conv1")
    ]


def add_gates(
    model: nn.Module, spec: GateSpec | str, layers: Iterable[str] | None = None
) -> nn.Module:
    """Give an LCCL to the named convolutions of any model, in place; returns the model.

    spec: the gates, or just the name of their form. layers: module names as `named_modules` gives
    them; without them, the 3x3 convolutions of the blocks of this file's networks. The spec's own
    pattern picks among either. Raises TrainingError where a name is not a convolution, and where no
    name is given or found.
    """
    spec = GateSpec(spec) if isinstance(spec, str) else spec
    offered = list(layers) if layers is not None else residual_convolutions(model)
    names = [name for name in offered if fnmatchcase(name, spec.layers)]
    if offered and not names:
        raise TrainingError(f"no convolution to gate matches '{spec.layers}'; there is {offered[0]}")
    if not names:
        raise TrainingError("no convolutions to gate: name them in `layers`")
    for name in names:
        parent_name, _, attribute = name.rpartition(".")
        try:
            parent = model.get_submodule(parent_name)
            conv = model.get_submodule(name)
        except AttributeError as error:
            raise TrainingError(f"layer '{name}': the network has no such module") from error
        if not isinstance(conv, nn.Conv2d):
            raise TrainingError(f"layer '{name}': is a {type(conv).__name__}, not a convolution")
        following = _norm_after(parent, attribute, name) if spec.after_norm else None
        try:
            gated = GatedConv2d(conv, spec, following and parent._modules[following], following)
        except TrainingError as error:
            raise TrainingError(f"layer '{name}': {error}") from error
        if following:
            setattr(parent, following, nn.Identity())
        setattr(parent, attribute, gated)
    return model


def _norm_after(parent: nn.Module, attribute: str, name: str) -> str:
    """The name of the batch norm that is declared right after a convolution."""
    names = list(parent._modules)
    following = names[names.index(attribute) + 1 :][:1]
    if not following or not isinstance(parent._modules[following[0]], nn.BatchNorm2d):
        raise TrainingError(f"layer '{name}': no batch norm follows it; gate before the norm")
    return following[0]
