"""Batches of normalised images; augmentation is one gather on whole batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from sluice_training.errors import TrainingError

if TYPE_CHECKING:
    from sluice_training.data import ImageSet, LabelledImages

# Images, and their classes: int64 [N], or where they are mixed float32 [N, classes].
Batch = tuple[torch.Tensor, torch.Tensor]
# Of a batch in evaluation: 62 images of 224x224.
PIXELS = 62 * 224 * 224


class Normalizer:
    """Maps pixels [N, H, W, 3], 0 to 255, to float32 [N, 3, H, W] in channels-last memory."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean = mean
        self.std = std
        self._scale = 1 / (255 * torch.tensor(std))
        self._shift = -torch.tensor(mean) / torch.tensor(std)

    def to(self, device: torch.device) -> Normalizer:
        """The same on a device; its pixels must be there as well."""
        self._scale, self._shift = self._scale.to(device), self._shift.to(device)
        return self

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels.float() * self._scale + self._shift).permute(0, 3, 1, 2)


class DrawnBatches:
    """How an epoch's batches are drawn from images with `labels`, int64 [N]."""

    def __init__(self, labels: torch.Tensor, normalizer: Normalizer, batch_size: int) -> None:
        self._labels = labels
        self._normalizer = normalizer
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Whole batches per epoch; the remainder is dropped."""
        return self._labels.numel() // self._batch_size

    def draw_order(self, generator: torch.Generator) -> torch.Tensor:
        """The images of an epoch's batches, int64 [steps, batch]."""
        order = torch.randperm(self._labels.numel(), generator=generator)
        return order[: len(self) * self._batch_size].reshape(len(self), self._batch_size)


class AugmentedBatches(DrawnBatches):
    """Training images on their device, shifted by up to `pad` pixels and half of them mirrored.

    The border is filled with the mean colour. A batch of a smaller size is cut out around the
    shifted centre. Order and shifts are drawn apart from the images, so that a step is a function
    of tensors alone.
    """

    def __init__(
        self,
        data: LabelledImages,
        normalizer: Normalizer,
        batch_size: int,
        pad: int = 4,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(data.labels.to(device), normalizer, batch_size)
        count, height, width, _ = data.images.shape
        fill = (torch.tensor(normalizer.mean) * 255).round().to(torch.uint8)
        self._padded = fill.repeat(count, height + 2 * pad, width + 2 * pad, 1)
        self._padded[:, pad : pad + height, pad : pad + width] = data.images
        self._padded = self._padded.to(device)
        self._size = height, width
        self._pad = pad

    def draw_shifts(self, generator: torch.Generator) -> torch.Tensor:
        """One batch's rows and columns to shift by, and whether to mirror: int64 [3, batch]."""
        count = self._batch_size
        shifts = torch.randint(2 * self._pad + 1, (2, count), generator=generator)
        return torch.cat([shifts, torch.randint(2, (1, count), generator=generator)])

    def batch(self, chosen: torch.Tensor, shifts: torch.Tensor, size: int | None = None) -> Batch:
        """The images `chosen` [batch] under `shifts` [3, batch], both on the images' device.

        size: of the batch's images, by default their own.
        """
        height, width = (size, size) if size is not None else self._size
        if height > self._size[0] or width > self._size[1]:
            raise TrainingError(f"size {size}: the images have {min(self._size)} pixels")
        down, right, mirrored = shifts[:, :, None]
        own = torch.arange(width, device=shifts.device)
        columns = torch.where(mirrored > 0, own.flip(0), own) + right + (self._size[1] - width) // 2
        rows = torch.arange(height, device=shifts.device) + down + (self._size[0] - height) // 2
        pixels = self._padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
        return self._normalizer(pixels), self._labels[chosen]


def mix_pairs(batch: Batch, classes: int, share: torch.Tensor) -> Batch:
    """Each image blended with another of its batch, all by one share in [0, 1), a scalar.

    The labels come back as shares, float32 [N, classes] (Zhang et al., "mixup", ICLR 2018).
    """
    images, labels = batch
    # Not one_hot, which may read the labels on the CPU.
    shares = (labels[:, None] == torch.arange(classes, device=labels.device)).float()
    mixed = torch.lerp(images, images.flip(0), share)
    return mixed, torch.lerp(shares, shares.flip(0), share)


def plain_batches(
    data: ImageSet,
    normalizer: Normalizer,
    size: int | None = None,
    device: torch.device | None = None,
) -> Iterator[Batch]:
    """Every image once, in order, not augmented; `size` of them, by default as many as fit well."""
    _, height, width = data.input_size
    size = size or min(500, max(PIXELS // (height * width), 1))
    for start in range(0, len(data), size):
        images = data.pixels(start, start + size, device)
        yield normalizer(images), data.labels[start : start + size].to(device)
