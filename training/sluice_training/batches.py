"""Batches of normalised pictures; augmentation is one gather on whole batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from sluice_training.data import LabelledImages

# Pictures, and their classes: int64 [N], or where they are mixed float32 [N, classes].
Batch = tuple[torch.Tensor, torch.Tensor]


class Normalizer:
    """Maps uint8 [N, H, W, 3] to float32 [N, 3, H, W] in channels-last memory."""

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


class AugmentedBatches:
    """Shuffled training batches, pictures shifted by up to `pad` pixels and half of them mirrored.

    The border is filled with the mean colour. The order and every shift come from `generator`
    alone, a generator of the CPU, so its state resumes the stream exactly, on any device.
    """

    def __init__(
        self,
        data: LabelledImages,
        normalizer: Normalizer,
        batch_size: int,
        generator: torch.Generator,
        pad: int = 4,
        device: torch.device | None = None,
    ) -> None:
        count, height, width, _ = data.images.shape
        fill = (torch.tensor(normalizer.mean) * 255).round().to(torch.uint8)
        self._padded = fill.repeat(count, height + 2 * pad, width + 2 * pad, 1)
        self._padded[:, pad : pad + height, pad : pad + width] = data.images
        self._padded = self._padded.to(device)
        self._labels = data.labels.to(device)
        self._size = (height, width)
        self._pad = pad
        self._normalizer = normalizer
        self._batch_size = batch_size
        self._generator = generator

    def __len__(self) -> int:
        """Full batches an epoch; the remainder is dropped."""
        return self._labels.numel() // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(self._labels.numel(), generator=self._generator)
        for step in range(len(self)):
            chosen = order[step * self._batch_size : (step + 1) * self._batch_size]
            chosen = chosen.to(self._labels.device)
            yield self._normalizer(self._crop(chosen)), self._labels[chosen]

    def _crop(self, chosen: torch.Tensor) -> torch.Tensor:
        count = chosen.numel()
        height, width = self._size
        shifts = torch.randint(2 * self._pad + 1, (2, count, 1), generator=self._generator)
        mirrored = torch.randint(2, (count, 1), generator=self._generator).bool()
        rows = torch.arange(height) + shifts[0]
        columns = torch.arange(width).expand(count, width)
        columns = torch.where(mirrored, width - 1 - columns, columns) + shifts[1]
        rows, columns = rows.to(chosen.device), columns.to(chosen.device)
        return self._padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


def mix_pairs(batch: Batch, classes: int, generator: torch.Generator) -> Batch:
    """Each picture blended with another of its batch, all by one uniform share in [0, 1).

    The labels come back as shares, float32 [N, classes] (Zhang et al., "mixup", ICLR 2018).
    """
    pictures, labels = batch
    share = float(torch.rand((), generator=generator))
    shares = torch.nn.functional.one_hot(labels, classes).float()
    mixed = torch.lerp(pictures, pictures.flip(0), share)
    return mixed, torch.lerp(shares, shares.flip(0), share)


def plain_batches(
    data: LabelledImages,
    normalizer: Normalizer,
    size: int = 500,
    device: torch.device | None = None,
) -> Iterator[Batch]:
    """Every picture once, in order, not augmented."""
    for start in range(0, len(data), size):
        images = data.images[start : start + size].to(device)
        yield normalizer(images), data.labels[start : start + size].to(device)
