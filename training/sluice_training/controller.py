"""What steers the gates of a network in training, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sluice_training.macs import MacsReport


class Controller:
    """Steers nothing: the base of those that do, and what a network without gates has.

    What changes from step to step stays in tensors on the model's device. So a step never waits for
    them and can be captured as a CUDA graph.
    """

    def schedule(self, progress: float) -> tuple[list[float], list[float]]:
        """What `before_step` sets and what is wanted, when `progress` of the run is done."""
        return [], []

    def before_epoch(self, generator: torch.Generator) -> None:
        """Draw what an epoch needs, so that one that is resumed draws the same."""

    def before_step(self, settings: torch.Tensor) -> None:
        """Set the gates as scheduled."""

    def penalty(self, wanted: torch.Tensor) -> torch.Tensor | None:
        """What the batch just seen adds to the loss."""
        return None

    def after_step(self, wanted: torch.Tensor) -> None:
        """Correct the gates by the batch just seen."""

    def after_epoch(self, steps: int, test_densities: Sequence[float]) -> None:
        """End an epoch of `steps` steps.

        test_densities: in evaluation mode, of each layer; none where they are not to be aimed at.
        """

    def validated(self, macs: MacsReport) -> dict[str, float]:
        """What the log says of the densities in evaluation mode."""
        return {}

    def state(self) -> dict[str, list[float]]:
        """What a resumed run goes on from."""
        return {}

    def restore(self, state: Any) -> None:
        """Take what `state` returned."""

    def changing(self) -> list[torch.Tensor]:
        """The tensors that a step changes."""
        return []

    def record(self) -> dict[str, float]:
        """What the log says of an epoch."""
        return {}
