"""Networks that hold one unit many times, dense and gated at several densities, to be timed.

All variants read the same features of an image, so that one run of the benchmark times them in turn.
Weights are random: what a layer's values are has no part in its time, only its masks have. A mask
comes from a branch like any trained one, on features of photographs, at a threshold that gives its
density.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from torch import nn

from sluice_training.block_gates import BlockGate, BlockGateSpec, add_block_gates, parse_grains
from sluice_training.calibration import threshold_at
from sluice_training.errors import TrainingError
from sluice_training.lccl import Gate, GatedConv2d, GateSpec
from sluice_training.nets import add_gates
from sluice_training.onnx_file import ImageInfo, add_metadata, to_onnx
from sluice_training.units import LAYER_FORMS, Unit, convolutions

DENSE = "dense"
# By network: each has a few variants, so that about as many weights want the caches as in a network.
DENSITIES = ((0.0, 0.1, 0.3), (0.5, 0.7, 1.0))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TAIL = 8
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".ppm")


class UnitNetwork(nn.Module):
    """[N, 3, H, W] -> [N, K]: features by a 1x1 convolution, the variants, and the sum of their tails.

    A tail is a convolution that reads one pixel, so that a variant's output is quantised as it is
    before a next layer; variants without a map have none.
    """

    def __init__(self, size: tuple[int, int, int], variants: Mapping[str, nn.Module]) -> None:
        super().__init__()
        channels = size[0]
        # A unit that reads images itself gets them.
        self.features = nn.Conv2d(3, channels, 1) if channels != 3 else nn.Identity()
        self.names = list(variants)
        self.tails = nn.ModuleDict()
        for name, variant in variants.items():
            self.add_module(name, variant)
            with torch.no_grad():
                output = variant.eval()(torch.zeros(1, *size))
            if output.dim() == 4:
                self.tails[f"tail_{name}"] = nn.Conv2d(output.shape[1], TAIL, 1, max(output.shape[2:]))

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        return x if isinstance(self.features, nn.Identity) else x.relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        total: torch.Tensor | None = None
        for name in self.names:
            y = getattr(self, name)(x)
            if f"tail_{name}" in self.tails:
                y = self.tails[f"tail_{name}"](y).mean(dim=(2, 3))
            total = y if total is None else total + y
        return total


class _Head(nn.Module):
    """The mean over a map, then a linear layer."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.mean(dim=(2, 3)))


def variant_name(density: float) -> str:
    return f"d{round(100 * density):03d}"


def build(
    unit: Unit, images: torch.Tensor, grain: str = "", densities: tuple[float, ...] = ()
) -> UnitNetwork:
    """The unit dense, and gated by `grain` at each of the densities.

    images: [N, 3, H, W] of the unit's input size, on which thresholds are set.
    """
    torch.manual_seed(0)
    variants: dict[str, nn.Module] = {DENSE: _dense(unit)}
    for density in densities:
        variants[variant_name(density)] = _gated(unit, grain)
    for index, variant in enumerate(variants.values()):
        for part in variant.modules():
            if isinstance(part, nn.Conv2d):  # else a plan would compute what is alike only once
                part.weight.data *= 1 + index / 64
    network = UnitNetwork(unit.size, variants).eval()
    with torch.no_grad():
        features = network.stem(images)
        for density in densities:
            _calibrate(getattr(network, variant_name(density)), density, features)
    return network


def _dense(unit: Unit) -> nn.Module:
    module = deepcopy(unit.module)
    if unit.is_block:
        return module
    if isinstance(module, nn.Linear):
        return _Head(module)
    return nn.Sequential(module, nn.ReLU()) if isinstance(module, nn.Conv2d) else module


def _gated(unit: Unit, grain: str) -> nn.Module:
    torch.manual_seed(1)  # the same branches at each density
    holder = nn.Sequential(deepcopy(unit.module))
    if grain not in LAYER_FORMS:
        add_block_gates(holder, BlockGateSpec(grains=parse_grains(grain)))
        for gate in _gates(holder):
            nn.init.normal_(gate.branch.weight)
        return holder
    own = set(convolutions(unit.module))
    names = [f"0.{name}" for name, child in unit.module.named_children() if child in own]
    return add_gates(holder, GateSpec(grain), names)


def _gates(module: nn.Module) -> list[BlockGate | Gate]:
    return [part for part in module.modules() if isinstance(part, (BlockGate, Gate))]


def _calibrate(variant: nn.Module, density: float, features: torch.Tensor) -> None:
    """Set the thresholds of a variant's gates, in the order in which they run."""
    for gate in _gates(variant):
        gate.set_threshold(0.0)
        found: list[torch.Tensor] = []
        watched = gate.branch if isinstance(gate, BlockGate) else gate.norm
        slope = 1.0 if isinstance(gate, BlockGate) else gate.spec.slope
        hook = watched.register_forward_hook(lambda _m, _i, y: found.append(y.flatten() / slope))
        variant(features)
        hook.remove()
        values = torch.cat(found)
        gate.set_threshold(_threshold(values, density))


def _threshold(values: torch.Tensor, density: float) -> float:
    margin = float(values.max() - values.min()) / 2
    if density == 0:
        return -float(values.max()) - margin
    if density == 1:
        return -float(values.min()) + margin
    return threshold_at(values, density)


def photographs(folder: Path, size: tuple[int, int]) -> torch.Tensor:
    """The images of a folder at [H, W] = `size`, normalised, [N, 3, H, W]."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise TrainingError(f"{folder}: holds no images; name a folder that does")
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    found = []
    for path in paths:
        try:
            with Image.open(path) as image:
                scaled = image.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be read ({error})") from error
        found.append((np.asarray(scaled, np.float32) / 255 - mean) / std)
    return torch.from_numpy(np.stack(found).transpose(0, 3, 1, 2).copy())


def to_file(network: UnitNetwork, size: tuple[int, int, int]) -> onnx.ModelProto:
    """The network as an exported one, so that programs give it images."""
    proto = to_onnx(network, (3, *size[1:]))
    classes = proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    labels = tuple(str(index) for index in range(classes))
    add_metadata(proto, ImageInfo(labels, MEAN, STD, min(size[1:])).metadata())
    add_metadata(proto, {"sluice.weights": "synthetic"})
    return proto


def covered_squares(network: UnitNetwork, images: torch.Tensor, side: int = 4) -> dict[str, float]:
    """Of each gated variant, the share of `side` x `side` squares of outputs that hold an active one.

    Winograd's tiles are such squares. For LCCLs that of the first layer.
    """
    shares: dict[str, float] = {}
    with torch.no_grad():
        features = network.stem(images)
        for name in network.names:
            variant = getattr(network, name)
            seen: list[torch.Tensor] = []
            for module in variant.modules():
                if isinstance(module, (BlockGate, GatedConv2d)):
                    module.observer = seen.append
            if any(isinstance(m, (BlockGate, GatedConv2d)) for m in variant.modules()):
                variant(features)
                active = (seen[0] > 0).float().amax(dim=1, keepdim=True)
                pooled = nn.functional.max_pool2d(active, side, ceil_mode=True)
                shares[name] = float(pooled.mean())
            for module in variant.modules():
                if isinstance(module, (BlockGate, GatedConv2d)):
                    module.observer = None
    return shares
