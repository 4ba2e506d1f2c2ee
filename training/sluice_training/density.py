"""Holding a network's gates at a wanted density while it trains.

A gate opens where z > -threshold, with z the normalised branch. The wanted density falls from
nearly 1 to its target along the normal distribution function, and an integral term corrects the
threshold by what the batches really show, since z is not normal. Either all gates share one
threshold, so that layers share the budget out by themselves, or each layer has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import torch
from torch import nn

from sluice_training.errors import TrainingError
from sluice_training.lccl import gated_layers

OPEN_THRESHOLD = 2.5
NORMAL = NormalDist()


class DensityController:
    """Steers the thresholds so that densities follow the schedule.

    weights: MACs of each gated layer; densities are averaged by them.
    target: wanted mean share of open gates at the end, in (0, 1), for one common threshold.
    densities: wanted share of each layer in the network's order, for a threshold a layer.
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
        densities: Sequence[float] = (),
    ) -> None:
        self._layers = dict(gated_layers(model))
        if densities and len(densities) != len(self._layers):
            raise TrainingError(
                f"{len(densities)} densities for {len(self._layers)} gated layers; "
                "share the density out for this network"
            )
        total = sum(weights.values())
        self._weights = [weights[name] / total for name in self._layers]
        self._targets = list(densities) or [target]
        self._anneal = anneal
        self._rate = rate
        self._corrections = [0.0] * len(self._targets)
        self._gaps = [0.0] * len(self._targets)
        self._epoch_sums = [0.0] * len(self._targets)
        self._epoch_steps = 0
        self.density = 1.0
        self._observed: dict[str, torch.Tensor] = {}
        for name, layer in self._layers.items():
            layer.observer = self._make_observer(name)

    def _make_observer(self, name: str) -> Callable[[torch.Tensor], None]:
        def observe(gate: torch.Tensor) -> None:
            if self._layers[name].training:
                self._observed[name] = gate.sign().mean(dtype=torch.float32)

        return observe

    @property
    def correction(self) -> float:
        """Mean correction of the thresholds, in standard deviations of z."""
        return sum(self._corrections) / len(self._corrections)

    def state(self) -> dict[str, list[float]]:
        """What a resumed run goes on from."""
        return {"corrections": list(self._corrections), "gaps": list(self._gaps)}

    def restore(self, state: dict[str, list[float]] | float) -> None:
        """Take what `state` returned, or the one correction that older checkpoints hold."""
        if isinstance(state, float):
            state = {"corrections": [state], "gaps": [0.0]}
        self._corrections = list(state["corrections"])
        self._gaps = list(state["gaps"])

    def scheduled_threshold(self, progress: float, target: float) -> float:
        """The threshold that would hold the schedule if every z were standard normal."""
        final = NORMAL.inv_cdf(target)
        done = min(progress / self._anneal, 1.0) if self._anneal > 0 else 1.0
        return OPEN_THRESHOLD + (final - OPEN_THRESHOLD) * done

    def before_step(self, progress: float) -> None:
        """Set every gate's threshold; `progress` is the share of the run that is done."""
        thresholds = [self.scheduled_threshold(progress, target) for target in self._targets]
        self._wanted = [NORMAL.cdf(threshold) for threshold in thresholds]
        corrected = [t + c for t, c in zip(thresholds, self._corrections)]
        for index, layer in enumerate(self._layers.values()):
            layer.gate.set_threshold(corrected[index % len(corrected)])

    def after_step(self) -> None:
        """Read the densities of the batch just seen and correct the thresholds."""
        seen = torch.stack([self._observed[name] for name in self._layers]).tolist()
        self.density = self._mean(seen)
        densities = seen if len(self._targets) > 1 else [self.density]
        self._epoch_steps += 1
        for index, density in enumerate(densities):
            error = self._wanted[index] - self._gaps[index] - density
            self._corrections[index] += self._rate * error
            self._epoch_sums[index] += density

    def after_epoch(self, test_densities: Sequence[float]) -> None:
        """Take each layer's density in evaluation mode: later batches aim as much lower.

        Call it at the end of every epoch; without densities it only starts a new epoch's mean.
        """
        if test_densities:
            seen = list(test_densities)
            seen = seen if len(self._targets) > 1 else [self._mean(seen)]
            trained = [total / self._epoch_steps for total in self._epoch_sums]
            self._gaps = [test - train for test, train in zip(seen, trained)]
        self._epoch_sums = [0.0] * len(self._targets)
        self._epoch_steps = 0

    def _mean(self, densities: Sequence[float]) -> float:
        return sum(d * w for d, w in zip(densities, self._weights))
