"""Labelled images in memory: reading, splitting, statistics."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from sluice_training import cifar
from sluice_training.errors import TrainingError
from sluice_training.files import Files, open_files

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm"})
MOSAIC_SUFFIXES = frozenset({".webp", ".png"})
MOSAIC_SIDE = 32


@dataclass(frozen=True)
class LabelledImages:
    """Images uint8 [N, H, W, 3] in RGB, labels int64 [N] that index `classes`."""

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return self.labels.numel()

    def select(self, chosen: torch.Tensor) -> LabelledImages:
        """The images where the bool mask `chosen` [N] holds, in their order."""
        return LabelledImages(self.images[chosen], self.labels[chosen], self.classes)


def decode_image(content: bytes, where: str) -> np.ndarray:
    """One image as uint8 [H, W, 3]. Raises TrainingError when it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TrainingError(f"{where}: not a readable image ({error}); remove it") from error


def read_split(data: Path, split: str) -> LabelledImages:
    """The `train` or `test` images of the data set at `data`, a folder or a tar archive.

    What it holds decides how it is read: CIFAR's binary files or pickles, a mosaic per class
    (SPLIT/CLASS.webp), or class folders (SPLIT/CLASS/IMAGE). Raises TrainingError otherwise.
    """
    if not data.exists():
        raise TrainingError(f"{data / split}: no such folder; pass --data a data set")
    files = open_files(data)
    if cifar.matching(files, cifar.BINARY[split]):
        return _labelled(*cifar.read_binary(files, split))
    if cifar.matching(files, cifar.PICKLED[split]):
        return _labelled(*cifar.read_pickled(files, split))
    if split not in files.folders:
        raise TrainingError(
            f"{data / split}: no such folder; a data set holds {split}/CLASS/IMAGE, "
            f"{split}/CLASS.webp, or CIFAR's own binary files or pickles"
        )
    if any(_suffix(name) in MOSAIC_SUFFIXES for name in files.under(split)):
        return _read_mosaics(files, split)
    return _read_class_folders(files, split)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _labelled(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> LabelledImages:
    return LabelledImages(torch.from_numpy(images), torch.from_numpy(labels), classes)


def _read_class_folders(files: Files, split: str) -> LabelledImages:
    """SPLIT/CLASS/IMAGE; classes are numbered in alphabetical order, all sizes are the same."""
    folders = [name for name in files.folders if name.rpartition("/")[0] == split]
    if not folders:
        where = files.where(split)
        raise TrainingError(f"{where}: holds no class folders; expected {where}/CLASS/IMAGE")
    images: list[np.ndarray] = []
    labels: list[int] = []
    for index, folder in enumerate(folders):
        names = [name for name in files.under(folder) if _suffix(name) in IMAGE_SUFFIXES]
        if not names:
            where = files.where(folder)
            raise TrainingError(f"{where}: holds no images; add some or remove the folder")
        for name in names:
            image = decode_image(files.read(name), files.where(name))
            if images and image.shape != images[0].shape:
                raise TrainingError(
                    f"{files.where(name)}: is {image.shape[1]}x{image.shape[0]}, the images "
                    f"before it are {images[0].shape[1]}x{images[0].shape[0]}; resize it"
                )
            images.append(image)
            labels.append(index)
    classes = tuple(PurePosixPath(folder).name for folder in folders)
    return LabelledImages(torch.from_numpy(np.stack(images)), torch.tensor(labels), classes)


def _read_mosaics(files: Files, split: str) -> LabelledImages:
    """SPLIT/CLASS.webp, each a grid of 32x32 images in row-major order."""
    names = [name for name in files.under(split) if _suffix(name) in MOSAIC_SUFFIXES]
    names.sort(key=lambda name: PurePosixPath(name).stem)
    images: list[np.ndarray] = []
    labels: list[torch.Tensor] = []
    for index, name in enumerate(names):
        mosaic = decode_image(files.read(name), files.where(name))
        height, width, _ = mosaic.shape
        if height % MOSAIC_SIDE or width % MOSAIC_SIDE:
            raise TrainingError(
                f"{files.where(name)}: is {width}x{height}, no grid of "
                f"{MOSAIC_SIDE}x{MOSAIC_SIDE} images"
            )
        grid = mosaic.reshape(height // MOSAIC_SIDE, MOSAIC_SIDE, -1, MOSAIC_SIDE, 3)
        images.append(grid.swapaxes(1, 2).reshape(-1, MOSAIC_SIDE, MOSAIC_SIDE, 3))
        labels.append(torch.full((len(images[-1]),), index))
    classes = tuple(PurePosixPath(name).stem for name in names)
    return LabelledImages(torch.from_numpy(np.concatenate(images)), torch.cat(labels), classes)


def hold_out(data: LabelledImages, every: int = 10) -> tuple[LabelledImages, LabelledImages]:
    """Split into (training, validation): each class's first, 11th, 21st... image is held out."""
    held = torch.zeros(len(data), dtype=torch.bool)
    for label in range(len(data.classes)):
        held[torch.nonzero(data.labels == label).flatten()[::every]] = True
    return data.select(~held), data.select(held)


def spread(data: LabelledImages, count: int) -> LabelledImages:
    """At most `count` images, evenly spread over `data`, which may be in order of its classes."""
    every = max(-(-len(data) // count), 1)
    return data.select(torch.arange(0, len(data), every))


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
