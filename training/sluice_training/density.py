"""Holding a network's gates at a wanted density while it trains.

Every gate shares one threshold: opening is z > -threshold, with z the normalised branch. The
wanted density falls from nearly 1 to its target along the normal distribution function, and an
integral term corrects the threshold by what the batches really show, since z is not normal.
"""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import nn

from sluice_training.lccl import gated_layers

OPEN_THRESHOLD = 2.5
NORMAL = NormalDist()


class DensityController:
    """Steers the common threshold so that the mean density, weighted by each layer's MACs, follows
    the schedule.

    target: wanted share of open gates at the end, in (0, 1).
    anneal: share of the run over which the density falls to the target.
    rate: threshold change a step for each unit of density error.
    """

    def __init__(
        self,
        model: nn.Module,
        weights: dict[str, float],
        target: float,
        anneal: float = 0.6,
        rate: float = 0.05,
    ) -> None:
        self._layers = dict(gated_layers(model))
        total = sum(weights.values())
        self._weights = {name: weights[name] / total for name in self._layers}
        self._target = target
        self._anneal = anneal
        self._rate = rate
        self.correction = 0.0
        self.density = 1.0
        self._observed: dict[str, torch.Tensor] = {}
        for name, layer in self._layers.items():
            layer.observer = self._make_observer(name)

    def _make_observer(self, name: str):
        def observe(gate: torch.Tensor) -> None:
            if self._layers[name].training:
                self._observed[name] = gate.gt(0).float().mean()

        return observe

    def scheduled_threshold(self, progress: float) -> float:
        """The threshold that would hold the schedule if every z were standard normal."""
        final = NORMAL.inv_cdf(self._target)
        done = min(progress / self._anneal, 1.0) if self._anneal > 0 else 1.0
        return OPEN_THRESHOLD + (final - OPEN_THRESHOLD) * done

    def before_step(self, progress: float) -> None:
        """Set every gate's threshold; `progress` is the share of the run that is done."""
        threshold = self.scheduled_threshold(progress)
        for layer in self._layers.values():
            layer.gate.set_threshold(threshold + self.correction)
        self._wanted = NORMAL.cdf(threshold)

    def after_step(self) -> None:
        """Read the densities of the batch just seen and correct the threshold."""
        densities = [self._observed[name] * weight for name, weight in self._weights.items()]
        self.density = float(torch.stack(densities).sum())
        self.correction += self._rate * (self._wanted - self.density)
