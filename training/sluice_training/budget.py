"""Holding binary block gates at a density by a loss, from the first step on.

The mean density, weighted by MACs, is drawn to its target t, and each block's into bounds around
it, [q t, 1 - q (1 - t)]. While q falls from 1 to 0 the bounds relax, so that blocks are held at the
target first and find their own densities later (Verelst and Tuytelaars, "Dynamic Convolutions",
CVPR 2020, section 3.3).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from sluice_training.block_gates import gated_blocks
from sluice_training.config import RunConfig
from sluice_training.controller import Controller
from sluice_training.stages import parse_stages


class Budget(Controller):
    """The loss of the block gates' densities, and the noise of their masks.

    weights: MACs of each gated block; the mean density is weighted by them.
    config: its `target`, `budget`, `relax`, `noise_off` and `mask_temperature` are used.
    """

    def __init__(self, model: nn.Module, weights: dict[str, float], config: RunConfig) -> None:
        self._gates = {name: block.gate for name, block in gated_blocks(model)}
        self._config = config
        device = next(model.parameters()).device
        shares = torch.tensor([float(weights[name]) for name in self._gates], device=device)
        self._shares = shares / shares.sum()
        self._densities = torch.ones(len(self._gates), device=device)
        self._observed: dict[str, torch.Tensor] = {}
        self._temperature = parse_stages("mask_temperature", config.mask_temperature)
        for name, gate in self._gates.items():
            gate.observer = lambda mask, name=name: self._observe(name, mask)

    def _observe(self, name: str, mask: torch.Tensor) -> None:
        if self._gates[name].training:
            self._observed[name] = mask.mean(dtype=torch.float32)

    @property
    def density(self) -> float:
        """Mean density of the newest batch, weighted by MACs."""
        return float((self._densities * self._shares).sum())

    def schedule(self, progress: float) -> tuple[list[float], list[float]]:
        """The masks' noise, 1 or 0, and temperature; the bounds of a block's density."""
        noise = 1.0 if progress < 1 - self._config.noise_off else 0.0
        bounds = density_bounds(progress, self._config.target, self._config.relax)
        return [noise, self._temperature.at(progress)], list(bounds)

    def before_epoch(self, generator: torch.Generator) -> None:
        # The noise comes from PyTorch's own generator, because a CUDA graph knows no other.
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))

    def before_step(self, settings: torch.Tensor) -> None:
        for gate in self._gates.values():
            gate.noise, gate.temperature = settings

    def penalty(self, wanted: torch.Tensor) -> torch.Tensor:
        densities = torch.stack([self._observed[name] for name in self._gates])
        self._densities.copy_(densities.detach())
        outside = (wanted[0] - densities).relu() + (densities - wanted[1]).relu()
        return self._config.budget * (self.missed(densities) + outside.square().mean())

    def missed(self, densities: torch.Tensor) -> torch.Tensor:
        """The square of what the network misses its budget by, at the blocks' densities."""
        return ((densities * self._shares).sum() - self._config.target).square()

    def changing(self) -> list[torch.Tensor]:
        return [self._densities]

    def record(self) -> dict[str, float]:
        return {"train_density": round(self.density, 4)}


def density_bounds(progress: float, target: float, relax: float) -> tuple[float, float]:
    """The least and the greatest density of a block that cost nothing, when `progress` is done.

    Both are the target at first, and 0 and 1 once the share `relax` of the run is done.
    """
    held = math.cos(math.pi / 2 * progress / relax) ** 2 if progress < relax else 0.0
    return held * target, 1 - held * (1 - target)
