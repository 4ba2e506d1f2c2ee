"""Thresholds that hold a density in evaluation mode.

While training, a gate's batch norm uses the batch's statistics on augmented images. In evaluation
mode the same threshold gives another density. The images to calibrate on must be ones that no
accuracy is reported for: training images, or the held-out tenth.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from sluice_training.batches import Normalizer, plain_batches
from sluice_training.block_gates import BlockGate, gated_blocks
from sluice_training.data import ImageSet
from sluice_training.errors import TrainingError
from sluice_training.lccl import Gate, GatedConv2d, gated_layers
from sluice_training.loop import validate
from sluice_training.run import autocast

# Quantiles of more values than these are taken of an even choice of them.
MOST_VALUES = 4_000_000


class _Reached(Exception):
    """Ends a forward pass once the layer of interest has run."""


@torch.no_grad()
def normalised_branches(
    model: nn.Module,
    layer: GatedConv2d,
    data: ImageSet,
    normalizer: Normalizer,
    precision: str = "fp32",
) -> torch.Tensor:
    """z of one layer's gate on `data` in evaluation mode, float32 [values], unordered."""
    norm, slope = layer.gate.norm, layer.gate.spec.slope
    if slope is None:
        raise TrainingError("a gate with a learned batch norm has no threshold to calibrate")
    found: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        values = output.float().flatten()
        every = -(-values.numel() * len(data) // (output.shape[0] * MOST_VALUES))
        found.append((values[:: max(every, 1)] - norm.bias[0]) / slope)
        raise _Reached

    model.eval()
    device = next(model.parameters()).device
    hook = norm.register_forward_hook(keep)
    try:
        for images, _ in plain_batches(data, normalizer.to(device), device=device):
            try:
                with autocast(precision, device):
                    model(images)
            except _Reached:
                continue
    finally:
        hook.remove()
    return torch.cat(found)


def threshold_at(values: torch.Tensor, density: float) -> float:
    """The threshold t for which the share of `values` that exceeds -t is nearest to `density`.

    Where an earlier gate skips a whole neighbourhood, many values are equal, and active together.
    """
    ordered = values.sort().values
    skipped = round((1 - density) * len(ordered))
    edge = ordered[min(max(skipped - 1, 0), len(ordered) - 1)]
    below = ordered[ordered < edge]
    candidates = [edge, below[-1]] if len(below) else [edge]
    nearest = min(candidates, key=lambda e: abs(float((values > e).float().mean()) - density))
    return -float(nearest)


def calibrate_layers(
    model: nn.Module,
    densities: Mapping[str, float],
    data: ImageSet,
    normalizer: Normalizer,
    precision: str = "fp32",
) -> None:
    """Set each layer's threshold to its density, from the first layer to the last.

    A layer's threshold changes what the next ones see, hence the order.
    """
    for name, layer in gated_layers(model):
        values = normalised_branches(model, layer, data, normalizer, precision)
        layer.gate.set_threshold(threshold_at(values, densities[name]))


def calibrate_mean(
    model: nn.Module,
    target: float,
    data: ImageSet,
    normalizer: Normalizer,
    precision: str = "fp32",
    steps: int = 10,
) -> None:
    """Shift all thresholds alike until the mean density, weighted by MACs, is `target`.

    Bisection within the gates' REACH. Raises TrainingError for gates with a learned batch norm.
    """
    gates: list[Gate | BlockGate] = [layer.gate for _, layer in gated_layers(model)]
    gates += [block.gate for _, block in gated_blocks(model)]
    thresholds = [gate.threshold for gate in gates]
    high = max(gate.REACH for gate in gates)
    low = -high
    for _ in range(steps):
        shift = (low + high) / 2
        for gate, threshold in zip(gates, thresholds):
            gate.set_threshold(threshold + shift)
        report = validate(model, data, normalizer, precision)[2]
        macs = sum(layer.conv for layer in report.layers)
        mean = sum(layer.conv * layer.density for layer in report.layers) / macs
        low, high = (low, shift) if mean > target else (shift, high)
