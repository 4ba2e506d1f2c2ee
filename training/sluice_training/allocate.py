"""Sharing one budget of MACs out between the gated layers by what each one's skipping costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from sluice_training.batches import Normalizer
from sluice_training.calibration import normalised_branches, threshold_at
from sluice_training.data import ImageSet
from sluice_training.errors import TrainingError
from sluice_training.lccl import gated_layers
from sluice_training.loop import validate

GRID = (0.95, 0.8, 0.65, 0.5, 0.35, 0.2)


def measure_curves(
    model: nn.Module,
    data: ImageSet,
    normalizer: Normalizer,
    precision: str = "fp32",
    grid: tuple[float, ...] = GRID,
) -> dict[str, list[float]]:
    """The mean loss on `data` with one layer at each density of `grid`, the others as trained.

    Thresholds are quantiles in evaluation mode. The model is left as it was.
    """
    curves: dict[str, list[float]] = {}
    for name, layer in gated_layers(model):
        before = layer.gate.norm.bias.detach().clone()
        values = normalised_branches(model, layer, data, normalizer, precision)
        curves[name] = []
        for density in grid:
            layer.gate.set_threshold(threshold_at(values, density))
            curves[name].append(validate(model, data, normalizer, precision)[1])
        layer.gate.norm.bias.data.copy_(before)
    return curves


def allocate(
    curves: Mapping[str, list[float]],
    macs: Mapping[str, int],
    target: float,
    grid: tuple[float, ...] = GRID,
) -> dict[str, float]:
    """A density per layer whose mean, weighted by MACs, is `target`.

    All layers begin at the grid's first density; the step down that costs the least loss for each
    MAC that it saves is taken next, until the budget is met. Noise that makes a smaller density
    look better counts as costing nothing. The last step is taken in part, to meet it exactly.
    Raises TrainingError where the grid cannot meet the target.
    """
    if not grid[-1] <= target <= grid[0]:
        raise TrainingError(f"target {target}: must lie between {grid[-1]} and {grid[0]}")
    total = sum(macs[name] for name in curves)
    steps = dict.fromkeys(curves, 0)
    losses = {name: torch.tensor(curve).cummax(0).values.tolist() for name, curve in curves.items()}
    surplus = (grid[0] - target) * total

    def cost(name: str) -> float:
        step = steps[name]
        saved = (grid[step] - grid[step + 1]) * macs[name]
        return (losses[name][step + 1] - losses[name][step]) / saved

    densities = dict.fromkeys(curves, grid[0])
    while surplus > 0:
        open_layers = [name for name in curves if steps[name] + 1 < len(grid)]
        if not open_layers:  # only rounding of the sums is left
            break
        # Layers of equal cost take turns from the least skipped one.
        name = min(open_layers, key=lambda name: (cost(name), steps[name]))
        steps[name] += 1
        saved = min((grid[steps[name] - 1] - grid[steps[name]]) * macs[name], surplus)
        densities[name] -= saved / macs[name]
        surplus -= saved
    return {name: round(density, 4) for name, density in densities.items()}


def read_densities(path: Path, model: nn.Module) -> tuple[float, ...]:
    """The densities of a file by sensitivity.py, in the order of the model's gated layers."""
    try:
        found = {name: float(density) for name, density in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path}: not a file of sensitivity.py ({error})") from error
    names = [name for name, _ in gated_layers(model)]
    if set(names) != set(found):
        odd = sorted(set(names) ^ set(found))
        what = f"'{odd[0]}' and {len(odd) - 1} more" if len(odd) > 1 else f"'{odd[0]}'"
        raise TrainingError(f"{path}: its layers are not the gated ones of the network: {what}")
    return tuple(found[name] for name in names)
