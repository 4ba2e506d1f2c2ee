"""Holding a network's gates at a wanted density while it trains.

A gate is active where z > -threshold, with z the normalised LCCL branch. The wanted density falls from
nearly 1 to its target along the normal distribution function, and an integral term corrects the
threshold by what the batches really show, since z is not normal. Either all gates share one
threshold, so that layers share the budget out by themselves, or each layer has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import torch
from torch import nn

from sluice_training.controller import Controller
from sluice_training.errors import TrainingError
from sluice_training.lccl import gated_layers

FIRST_THRESHOLD = 2.5
NORMAL = NormalDist()


def active_share(gate: torch.Tensor) -> torch.Tensor:
    """The share of elements that are not zero, a float32 scalar; no element may be negative."""
    if gate.device.type == "cuda":
        # One pass instead of two; the CPU's takes longer than both.
        return torch.linalg.vector_norm(gate, 0, dtype=torch.float32) / gate.numel()
    return gate.sign().mean(dtype=torch.float32)


class DensityController(Controller):
    """Steers the thresholds so that densities follow the schedule.

    weights: MACs of each gated layer; densities are averaged by them.
    target: wanted mean share of active gates at the end, in (0, 1), for one common threshold.
    densities: wanted share of each layer in the network's order, for a threshold per layer.
    anneal: share of the run over which the density falls to the target.
    rate: threshold change per step for each unit of density error.
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
        self._targets = list(densities) or [target]
        self._anneal = anneal
        self._rate = rate
        device = next(model.parameters()).device
        count = len(self._targets)
        self._shares = torch.tensor([weights[name] / total for name in self._layers]).to(device)
        self._corrections, self._gaps, self._epoch_sums = torch.zeros(3, count, device=device)
        self._densities = torch.ones(len(self._layers), device=device)
        self._observed: dict[str, torch.Tensor] = {}
        for name, layer in self._layers.items():
            layer.observer = self._make_observer(name)

    def _make_observer(self, name: str) -> Callable[[torch.Tensor], None]:
        def observe(gate: torch.Tensor) -> None:
            if self._layers[name].training:
                self._observed[name] = active_share(gate)

        return observe

    @property
    def density(self) -> float:
        """Mean share of active gates in the newest batch."""
        return float((self._densities * self._shares).sum())

    @property
    def correction(self) -> float:
        """Mean correction of the thresholds, in standard deviations of z."""
        return float(self._corrections.mean())

    def state(self) -> dict[str, list[float]]:
        """What a resumed run goes on from."""
        return {"corrections": self._corrections.tolist(), "gaps": self._gaps.tolist()}

    def restore(self, state: dict[str, list[float]] | float) -> None:
        """Take what `state` returned, or the one correction that older checkpoints hold."""
        if isinstance(state, float):
            state = {"corrections": [state], "gaps": [0.0]}
        self._corrections.copy_(torch.tensor(state["corrections"]))
        self._gaps.copy_(torch.tensor(state["gaps"]))

    def changing(self) -> list[torch.Tensor]:
        """The tensors that a step changes."""
        return [self._corrections, self._epoch_sums, self._densities]

    def schedule(self, progress: float) -> tuple[list[float], list[float]]:
        """Thresholds and wanted densities, one per target, when `progress` of the run is done."""
        thresholds = [self.scheduled_threshold(progress, target) for target in self._targets]
        return thresholds, [NORMAL.cdf(threshold) for threshold in thresholds]

    def scheduled_threshold(self, progress: float, target: float) -> float:
        """The threshold that would hold the schedule if every z were standard normal."""
        final = NORMAL.inv_cdf(target)
        done = min(progress / self._anneal, 1.0) if self._anneal > 0 else 1.0
        return FIRST_THRESHOLD + (final - FIRST_THRESHOLD) * done

    def before_step(self, thresholds: torch.Tensor) -> None:
        """Set every gate's threshold from the schedule's, [targets], and the corrections."""
        corrected = thresholds + self._corrections
        for index, layer in enumerate(self._layers.values()):
            layer.gate.set_threshold(corrected[index % len(corrected)])

    def after_step(self, wanted: torch.Tensor) -> None:
        """Read the densities of the batch just seen and correct the thresholds.

        wanted: the schedule's densities, [targets].
        """
        self._densities.copy_(torch.stack([self._observed[name] for name in self._layers]))
        seen = self._by_target(self._densities)
        self._corrections += self._rate * (wanted - self._gaps - seen)
        self._epoch_sums += seen

    def after_epoch(self, steps: int, test_densities: Sequence[float]) -> None:
        """Take each layer's density in evaluation mode: later batches aim as much lower.

        Call it at the end of every epoch of `steps` steps; without densities it only starts a new
        epoch's mean.
        """
        if test_densities:
            seen = torch.tensor(test_densities, device=self._shares.device)
            self._gaps.copy_(self._by_target(seen) - self._epoch_sums / steps)
        self._epoch_sums.zero_()

    def record(self) -> dict[str, float]:
        return {
            "train_density": round(self.density, 4),
            "correction": round(self.correction, 4),
        }

    def _by_target(self, densities: torch.Tensor) -> torch.Tensor:
        return densities if len(self._targets) > 1 else (densities * self._shares).sum(0, keepdim=True)
