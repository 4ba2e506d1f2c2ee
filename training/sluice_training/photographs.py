"""Images of 224x224 and the like: random resized crops in training, centre crops in evaluation.

Cropping and resizing are two products with matrices of triangle weights, widened where the image
shrinks: Pillow's BILINEAR, in tensors alone, so that a step of an accelerator can hold it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from sluice_training.batches import Batch, DrawnBatches, Normalizer

SIZE = 224
# Side of the evaluation's centre crop as a share of the shorter side it is cut from.
CENTRE = 7 / 8
# Sides of a random crop differ by no more than this factor (Szegedy et al., 2015).
ASPECT = 4 / 3
# So many images tell the mean and the deviation of the channels.
SAMPLE = 2000


@dataclass(frozen=True)
class Photographs:
    """Images that a network sees at `size` pixels, of squares that are kept at other sizes.

    squares: uint8 [M, side, side, 3] in RGB, a view of a mapped file. rows: int64 [N], which of
    them these are. labels: int64 [N] that index `classes`.
    """

    squares: torch.Tensor
    rows: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    size: int = SIZE

    def __len__(self) -> int:
        return self.labels.numel()

    def select(self, chosen: torch.Tensor) -> Photographs:
        """Those where the bool mask `chosen` [N] holds, or of the indices `chosen`."""
        return replace(self, rows=self.rows[chosen], labels=self.labels[chosen])

    def resized(self, size: int) -> Photographs:
        """The same, evaluated at another size."""
        return replace(self, size=size)

    @property
    def input_size(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    @property
    def shorter_side(self) -> int:
        """To what the shorter side of an image is resized before the centre is cut out of it."""
        return round(self.size / CENTRE)

    def pixels(self, start: int, stop: int, device: torch.device | None = None) -> torch.Tensor:
        """The centre crops of images start to stop, float32 [n, size, size, 3], 0 to 255."""
        squares = self.squares[self.rows[start:stop]].to(device)
        side = squares.shape[1]
        share = self.size / self.shorter_side
        extent = torch.full((len(squares),), side * share, device=squares.device)
        weights = box_weights((side - extent) / 2, extent, self.size, side)
        return resample(squares, weights, weights)

    def sample(self) -> torch.Tensor:
        """An even choice of the images, uint8 [n, side, side, 3]."""
        every = max(-(-len(self) // SAMPLE), 1)
        return self.squares[self.rows[::every]]


def box_weights(first: torch.Tensor, extent: torch.Tensor, size: int, side: int) -> torch.Tensor:
    """How much of each source pixel is in each target pixel, float32 [N, size, side].

    first, extent: where a box begins along an axis of `side` pixels, and its length, [N].
    """
    scale = (extent / size)[:, None, None]
    targets = torch.arange(size, device=first.device)[:, None] + 0.5
    centres = first[:, None, None] + targets * scale
    sources = torch.arange(side, device=first.device) + 0.5
    weights = (1 - (sources - centres).abs() / scale.clamp(min=1)).relu()
    return weights / weights.sum(2, keepdim=True)


def resample(squares: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """uint8 [N, side, side, 3] by weights [N, size, side] of both axes: float32 [N, size, size, 3]."""
    count, side, _, channels = squares.shape
    size = rows.shape[1]
    shrunk = rows @ squares.reshape(count, side, side * channels).float()
    across = shrunk.reshape(count, size, side, channels).transpose(1, 2)
    shrunk = columns @ across.reshape(count, side, size * channels)
    return shrunk.reshape(count, size, size, channels).transpose(1, 2)


class CroppedBatches(DrawnBatches):
    """Training photographs under random resized crops, half of them mirrored (Szegedy et al., 2015).

    A crop holds at least the share `least` of the image's area, its aspect lies within ASPECT. On
    an accelerator all images lie in its memory.
    """

    def __init__(
        self,
        data: Photographs,
        normalizer: Normalizer,
        batch_size: int,
        least: float,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(data.labels.to(device), normalizer, batch_size)
        on_device = device is not None and device.type != "cpu"
        self._squares = data.squares[data.rows].to(device) if on_device else data.squares
        rows = torch.arange(len(data)) if on_device else data.rows
        self._rows = rows.to(device)
        self._least = least

    def draw_shifts(self, generator: torch.Generator) -> torch.Tensor:
        """One batch's draws of area, aspect, row, column and mirror: float32 in [0, 1), [5, batch]."""
        return torch.rand(5, self._batch_size, generator=generator)

    def batch(self, chosen: torch.Tensor, shifts: torch.Tensor, size: int) -> Batch:
        """The images `chosen` [batch] under `shifts` [5, batch] at `size` pixels."""
        squares = self._squares[self._rows[chosen]]
        rows, columns = crop_weights(shifts, self._least, size, squares.shape[1])
        return self._normalizer(resample(squares, rows, columns)), self._labels[chosen]


def crop_weights(
    shifts: torch.Tensor, least: float, size: int, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights of both axes, [batch, size, side] each, that the draws [5, batch] stand for."""
    area = side**2 * (least + (1 - least) * shifts[0])
    aspect = ((2 * shifts[1] - 1) * math.log(ASPECT)).exp()
    height = (area / aspect).sqrt().clamp(max=side)
    width = (area * aspect).sqrt().clamp(max=side)
    rows = box_weights(shifts[2] * (side - height), height, size, side)
    columns = box_weights(shifts[3] * (side - width), width, size, side)
    mirrored = (shifts[4] < 0.5)[:, None, None]
    return rows, torch.where(mirrored, columns.flip(1), columns)
