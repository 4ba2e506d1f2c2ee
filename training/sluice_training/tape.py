"""What the steps of an epoch take from chance and from the schedules, drawn before it begins."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Tape(NamedTuple):
    """A row per step; `row` gives one step's, without the first dimension.

    chosen: the batch's images, int64 [steps, batch].
    shifts: rows and columns to shift by, and whether to mirror, int64 [steps, 3, batch].
    shares: of the other image where the batch is mixed in pairs, 0 where not, float32 [steps].
    rates: the network's learning rate, float64 [steps].
    settings, wanted: of the gates' controller, float32 [steps, as it schedules].
    """

    chosen: torch.Tensor
    shifts: torch.Tensor
    shares: torch.Tensor
    rates: torch.Tensor
    settings: torch.Tensor
    wanted: torch.Tensor

    @property
    def steps(self) -> int:
        return len(self.chosen)

    def row(self, step: int) -> Tape:
        return Tape(*(column[step] for column in self))

    def select(self, step: torch.Tensor) -> Tape:
        """As `row`, for a step that is known on the device alone: int64 [1]."""
        return Tape(*(column.index_select(0, step)[0] for column in self))

    def to(self, device: torch.device) -> Tape:
        return Tape(*(column.to(device) for column in self))
