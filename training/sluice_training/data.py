"""Labelled pictures in memory: reading, splitting, statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sluice_training.errors import TrainingError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm"})


@dataclass(frozen=True)
class LabelledImages:
    """Pictures uint8 [N, H, W, 3] in RGB, labels int64 [N] that index `classes`."""

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return self.labels.numel()

    def select(self, chosen: torch.Tensor) -> LabelledImages:
        """The pictures where the bool mask `chosen` [N] holds, in their order."""
        return LabelledImages(self.images[chosen], self.labels[chosen], self.classes)


def read_picture(path: Path) -> np.ndarray:
    """One picture as uint8 [H, W, 3]. Raises TrainingError when it cannot be decoded."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise TrainingError(f"{path}: not a readable picture ({error}); remove it") from error


def read_class_folders(root: Path) -> LabelledImages:
    """Read `root/CLASS/*.jpg|png|ppm`; classes are numbered in alphabetical order.

    Raises TrainingError for a missing folder, a folder without pictures and mixed sizes.
    """
    if not root.is_dir():
        raise TrainingError(f"{root}: no such folder; pass --data a folder with train/ and test/")
    classes = tuple(sorted(entry.name for entry in root.iterdir() if entry.is_dir()))
    if not classes:
        raise TrainingError(f"{root}: holds no class folders; expected {root}/CLASS/PICTURE")
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    for index, name in enumerate(classes):
        files = sorted(
            file for file in (root / name).iterdir() if file.suffix.lower() in PICTURE_SUFFIXES
        )
        if not files:
            raise TrainingError(f"{root / name}: holds no pictures; add some or remove the folder")
        for file in files:
            picture = read_picture(file)
            if pictures and picture.shape != pictures[0].shape:
                raise TrainingError(
                    f"{file}: is {picture.shape[1]}x{picture.shape[0]}, the pictures before it "
                    f"are {pictures[0].shape[1]}x{pictures[0].shape[0]}; resize it"
                )
            pictures.append(picture)
            labels.append(index)
    return LabelledImages(torch.from_numpy(np.stack(pictures)), torch.tensor(labels), classes)


def read_split(data: Path, split: str) -> LabelledImages:
    """The `train` or `test` pictures of the data set at `data`."""
    return read_class_folders(data / split)


def hold_out(data: LabelledImages, every: int = 10) -> tuple[LabelledImages, LabelledImages]:
    """Split into (training, validation): each class's first, 11th, 21st... picture is held out."""
    held = torch.zeros(len(data), dtype=torch.bool)
    for label in range(len(data.classes)):
        held[torch.nonzero(data.labels == label).flatten()[::every]] = True
    return data.select(~held), data.select(held)


def channel_statistics(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 [N, H, W, 3], in units of pixel/255."""
    counts = torch.stack(
        [torch.bincount(images[..., c].flatten(), minlength=256) for c in range(3)]
    )
    levels = torch.arange(256, dtype=torch.float64) / 255
    weights = counts.double() / counts.sum(dim=1, keepdim=True)
    mean = weights @ levels
    std = (weights @ levels.square() - mean.square()).sqrt()
    return tuple(round(v, 4) for v in mean.tolist()), tuple(round(v, 4) for v in std.tolist())
