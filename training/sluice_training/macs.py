"""Exact counts of multiply-accumulates (MACs), with masks: an active output costs its taps.

A padded border counts like any other position, as is usual; batch norm, activations and pooling
count nothing. Counts are for one image.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from sluice_training.block_gates import BlockGate, gated_blocks, masked_convolutions
from sluice_training.closed_blocks import ClosedBlock, closed_blocks
from sluice_training.lccl import GatedConv2d, gated_layers

# A block whose density is less is never computed: that is pruning, not gating.
DEAD_DENSITY = 0.01


@dataclass
class LayerMacs:
    """One gated layer: MACs of the convolution and of its LCCL branch, and what its gates let through.

    density is the mean share of active gate elements; dead is the share of outputs whose gate map
    was zero on every image seen, dead_maps their number. Where `is_block`, the layer is a
    block with a gate of its own: `conv` counts all its convolutions, each masked by that gate, and
    the gate is dead below DEAD_DENSITY. A block that is left out of the network has a dead gate.
    """

    name: str
    conv: int
    branch: int
    density: float = 1.0
    dead: float = 0.0
    dead_maps: int = 0
    is_block: bool = False


@dataclass
class MacsReport:
    """MACs of a network per image: `dense` without gates, `executed` with gates and LCCL branches."""

    dense: int
    layers: list[LayerMacs] = field(default_factory=list)

    @property
    def branches(self) -> int:
        return sum(layer.branch for layer in self.layers)

    @property
    def executed(self) -> float:
        skipped = sum(layer.conv * (1 - layer.density) for layer in self.layers)
        return self.dense + self.branches - skipped

    @property
    def cut(self) -> float:
        """Net share of the dense MACs saved, LCCL branches paid for."""
        return 1 - self.executed / self.dense

    @property
    def cut_by_live_gates(self) -> float:
        """The cut without what dead gate maps save: those would be pruned, not gated."""
        return self.cut - self.cut_by_dead_gates

    @property
    def cut_by_dead_gates(self) -> float:
        """Share of the dense MACs that dead gate maps save."""
        return sum(layer.conv * layer.dead for layer in self.layers) / self.dense

    @property
    def dead_maps(self) -> int:
        return sum(layer.dead_maps for layer in self.layers)

    @property
    def dead_blocks(self) -> list[str]:
        """The gated blocks that are as good as never computed."""
        return [layer.name for layer in self.layers if layer.is_block and layer.dead]


def count_macs(model: nn.Module, size: tuple[int, int, int]) -> MacsReport:
    """Count a model's MACs at the input [C, H, W] = `size`, all gates active."""
    counts: dict[nn.Module, int] = {}

    def count(module: nn.Module, _inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(module, ClosedBlock):
            counts[module] = output[0, 0].numel() * module.taps
        elif isinstance(module, nn.Conv2d):
            counts[module] = output[0].numel() * module.weight[0].numel()
        else:
            counts[module] = output[0].numel() * module.in_features

    hooks = [
        module.register_forward_hook(count)
        for module in model.modules()
        if isinstance(module, (nn.Conv2d, nn.Linear, ClosedBlock))
    ]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, *size, device=next(model.parameters()).device))
    model.train(training)
    for hook in hooks:
        hook.remove()
    layers = [
        LayerMacs(name, counts[layer.conv], counts[layer.gate.branch])
        for name, layer in gated_layers(model)
    ]
    for name, block in gated_blocks(model):
        conv = sum(counts[conv] for conv in masked_convolutions(block))
        branch = sum(counts[part] for part in block.gate.modules() if part in counts)
        layers.append(LayerMacs(name, conv, branch, is_block=True))
    layers += [
        LayerMacs(name, counts[block], 0, density=0, dead=1, dead_maps=1, is_block=True)
        for name, block in closed_blocks(model)
    ]
    order = [name for name, _ in model.named_modules()]
    layers.sort(key=lambda layer: order.index(layer.name))
    return MacsReport(sum(counts.values()) - sum(layer.branch for layer in layers), layers)


def observed_gates(model: nn.Module) -> dict[str, GatedConv2d | BlockGate]:
    """What shows its gates to an `observer`, by the names of gated layers and gated blocks."""
    return dict(gated_layers(model)) | {name: block.gate for name, block in gated_blocks(model)}


class MaskRecorder:
    """Collects, while it is entered, the active gates of every gated layer of a model."""

    def __init__(self, model: nn.Module) -> None:
        self._layers = observed_gates(model)
        self._active: dict[str, torch.Tensor] = {}
        self._seen: dict[str, int] = {}
        self._previous = {name: layer.observer for name, layer in self._layers.items()}

    def __enter__(self) -> MaskRecorder:
        for name, layer in self._layers.items():
            layer.observer = lambda gate, name=name: self._add(name, gate)
        return self

    def __exit__(self, *_: object) -> None:
        for name, layer in self._layers.items():
            layer.observer = self._previous[name]

    def _add(self, name: str, gate: torch.Tensor) -> None:
        active = gate.gt(0).sum(dim=(0, 2, 3))
        self._active[name] = self._active.get(name, torch.zeros_like(active)) + active
        elements = gate.shape[0] * gate.shape[2] * gate.shape[3]
        self._seen[name] = self._seen.get(name, 0) + elements

    def fill(self, report: MacsReport) -> MacsReport:
        """Enter the densities seen into the report's layers."""
        for layer in report.layers:
            if layer.name not in self._active:  # it is left out of the network
                continue
            active = self._active[layer.name]
            layer.density = float(active.sum()) / (self._seen[layer.name] * active.numel())
            layer.dead_maps = int((active == 0).sum())
            layer.dead = layer.dead_maps / active.numel()
            if layer.is_block:
                layer.dead_maps = int(layer.density < DEAD_DENSITY)
                layer.dead = layer.dead_maps * (1 - layer.density)
        return report
