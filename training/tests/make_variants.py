#!/usr/bin/env python3
"""Write small networks with random weights, one for each structure the runtime reads, as ONNX.

    make_variants.py FOLDER [--exporter torchscript|dynamo|both] [--only NAME...]

Files are named NAME__EXPORTER.onnx. Weights come from a fixed seed; batch norm statistics are
those of random images, so that about half of each gate's positions are active.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sluice_training import nets
from sluice_training.block_gates import (
    WHOLE_MAP,
    BlockGateSpec,
    add_block_gates,
    gated_blocks,
)
from sluice_training.errors import run_command
from sluice_training.lccl import GateSpec
from sluice_training.nets import BasicBlock, PreactBlock, add_gates, conv3x3, projection
from sluice_training.onnx_file import (
    EXPORTERS,
    ImageInfo,
    add_metadata,
    check_scores,
    to_onnx,
    write_onnx,
)

SIDE = 32
CLASSES = 10


class SmallNet(nn.Module):
    """Stem, blocks, global average pool, linear: [N, 3, 32, 32] -> [N, 10]."""

    def __init__(self, stem: nn.Module, blocks: list[nn.Module], channels: int) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.blocks(self.stem(x)).mean(dim=(2, 3)))


class SoftmaxNet(nn.Module):
    """The same with a pooling layer, flatten and softmax, as image classifiers often end."""

    def __init__(self, stem: nn.Module, blocks: list[nn.Module], channels: int) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES), nn.Softmax(dim=1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with batch norms, and a 1x1 shortcut."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, stride)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = projection(inputs, outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.bn1(self.conv1(x)).relu()
        h = self.bn2(self.conv2(h)).relu()
        return (self.bn3(self.conv3(h)) + self.shortcut(x)).relu()


def plain_stem() -> nn.Module:
    return nn.Sequential(conv3x3(3, 16), nn.BatchNorm2d(16), nn.ReLU())


def gated(spec: GateSpec) -> nn.Module:
    """Two basic blocks, the second with stride 2, every 3x3 gated."""
    blocks = [BasicBlock(16, 16, 1), BasicBlock(16, 32, 2)]
    return add_gates(SmallNet(plain_stem(), blocks, 32), spec)


def block_gated(*grains: int | None) -> nn.Module:
    """The same with a gate per block, a grain for each of the two."""
    blocks = [BasicBlock(16, 16, 1), BasicBlock(16, 32, 2)]
    return add_block_gates(SmallNet(plain_stem(), blocks, 32), BlockGateSpec(grains=grains))


def block_preact() -> nn.Module:
    blocks = [PreactBlock(16, 16, 1), PreactBlock(16, 32, 2), nn.BatchNorm2d(32), nn.ReLU()]
    return add_block_gates(SmallNet(conv3x3(3, 16), blocks, 32), BlockGateSpec())


def block_bottleneck() -> nn.Module:
    """A gate per block that masks 1x1, 3x3 and 1x1, over 2x2 outputs and then per position."""
    blocks = [
        nets.Bottleneck(16, 16, 1, projection(16, 64, 1)),
        nets.Bottleneck(64, 16, 2, projection(64, 64, 2)),
    ]
    net = SmallNet(plain_stem(), blocks, 64)
    return add_block_gates(net, BlockGateSpec(grains=(2, 1)))


def preact() -> nn.Module:
    blocks = [PreactBlock(16, 16, 1), PreactBlock(16, 32, 2), nn.BatchNorm2d(32), nn.ReLU()]
    return add_gates(SmallNet(conv3x3(3, 16), blocks, 32), GateSpec())


def projected() -> nn.Module:
    block = BasicBlock(16, 32, 2)
    block.shortcut = projection(16, 32, 2)
    names = ["blocks.0.conv1", "blocks.0.conv2"]
    return add_gates(SmallNet(plain_stem(), [block], 32), GateSpec(), names)


def bottleneck() -> nn.Module:
    names = ["blocks.0.conv2", "blocks.0.conv3"]
    net = SmallNet(plain_stem(), [Bottleneck(16, 16, 64, 2)], 64)
    return add_gates(net, GateSpec(), names)


def large_stem() -> nn.Module:
    stem = nn.Sequential(
        nn.Conv2d(3, 16, 7, 2, 3, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    )
    return add_gates(SoftmaxNet(stem, [BasicBlock(16, 16, 1)], 16), GateSpec())


VARIANTS: dict[str, Callable[[], nn.Module]] = {
    "gate_kxk_one": lambda: gated(GateSpec()),
    "gate_1x1": lambda: gated(GateSpec("1x1")),
    "gate_1x1_one": lambda: gated(GateSpec("1x1-one")),
    "gate_groups": lambda: gated(GateSpec("groups", maps=4)),
    "gate_tile": lambda: gated(GateSpec("tile", grid=4)),
    "gate_relu_after_norm": lambda: gated(GateSpec(function="relu", slope=None, after_norm=True)),
    "preact": preact,
    "block": lambda: block_gated(1),
    "block_tiles": lambda: block_gated(4, 2),
    "block_map": lambda: block_gated(WHOLE_MAP, None),
    "block_preact": block_preact,
    "block_bottleneck": block_bottleneck,
    "projection_shortcut": projected,
    "bottleneck": bottleneck,
    "large_stem_softmax": large_stem,
    "fixed_batch_4": lambda: gated(GateSpec()),
    "external_data": lambda: gated(GateSpec()),
}


def randomize(model: nn.Module) -> None:
    """Random scales and biases for the learned batch norms, statistics from random images."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            if module.weight.requires_grad:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    model.train()
    with torch.no_grad():
        for _ in range(4):
            model(torch.randn(32, 3, SIDE, SIDE))
    model.eval()
    halve_block_gates(model)


@torch.no_grad()
def halve_block_gates(model: nn.Module) -> None:
    """Random branches whose biases let half of their positions be active on random images."""

    def centre(branch: nn.Module, _inputs: object, z: torch.Tensor) -> torch.Tensor:
        branch.bias -= z.median()
        return z - z.median()

    branches = [block.gate.branch for _, block in gated_blocks(model)]
    for branch in branches:
        nn.init.normal_(branch.weight, 0, 0.1)
    hooks = [branch.register_forward_hook(centre) for branch in branches]
    model(torch.randn(32, 3, SIDE, SIDE))
    for hook in hooks:
        hook.remove()


def write_variant(name: str, exporter: str, folder: Path) -> None:
    torch.manual_seed(7)
    model = VARIANTS[name]()
    randomize(model)
    batch = 4 if name == "fixed_batch_4" else None
    proto = to_onnx(model, (3, SIDE, SIDE), exporter, batch)
    labels = tuple(f"class {index}" for index in range(CLASSES))
    info = ImageInfo(labels, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), SIDE)
    add_metadata(proto, info.metadata())
    difference = check_scores(model, proto, torch.randn(batch or 3, 3, SIDE, SIDE))
    path = folder / f"{name}__{exporter}.onnx"
    write_onnx(proto, path, external=name == "external_data")
    print(f"{path}: within {difference:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--exporter", choices=(*EXPORTERS, "both"), default="both")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    exporters = EXPORTERS if arguments.exporter == "both" else (arguments.exporter,)
    for name in arguments.only:
        for exporter in exporters:
            write_variant(name, exporter, arguments.folder)


if __name__ == "__main__":
    run_command(main)
