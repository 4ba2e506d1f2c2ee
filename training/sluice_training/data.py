"""Labelled images: reading, splitting, statistics."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from sluice_training import cifar
from sluice_training.errors import TrainingError
from sluice_training.files import Files, open_files
from sluice_training.image_cache import cached_images, image_size
from sluice_training.photographs import Photographs

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm"})
MOSAIC_SUFFIXES = frozenset({".webp", ".png"})
MOSAIC_SIDE = 32
# Images whose shorter side is longer than this are photographs, which are cropped and resized.
LARGEST_SMALL = 64
# The folders that hold a split's classes, where it has another name as well.
FOLDERS = {"train": ("train",), "test": ("test", "val")}


@dataclass(frozen=True)
class LabelledImages:
    """Images of one size, uint8 [N, H, W, 3] in RGB; labels int64 [N] that index `classes`."""

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return self.labels.numel()

    def select(self, chosen: torch.Tensor) -> LabelledImages:
        """The images where the bool mask `chosen` [N] holds, in their order."""
        return LabelledImages(self.images[chosen], self.labels[chosen], self.classes)

    @property
    def input_size(self) -> tuple[int, int, int]:
        """[C, H, W] of what a network sees in evaluation."""
        return 3, self.images.shape[1], self.images.shape[2]

    @property
    def shorter_side(self) -> int:
        return min(self.images.shape[1:3])

    def resized(self, size: int) -> LabelledImages:
        """These images themselves. Raises TrainingError where they are of another size."""
        if size != self.shorter_side:
            raise TrainingError(
                f"size {size}: the images are {self.shorter_side} pixels, and the last size of a "
                "run must be theirs"
            )
        return self

    def pixels(self, start: int, stop: int, device: torch.device | None = None) -> torch.Tensor:
        """What a network sees of the images start to stop in evaluation, [n, H, W, 3], 0 to 255."""
        return self.images[start:stop].to(device)

    def sample(self) -> torch.Tensor:
        """The images that stand for all, uint8 [n, H, W, 3]."""
        return self.images


# Read by whatever trains or evaluates a network.
ImageSet = LabelledImages | Photographs


def decode_image(content: bytes, where: str) -> np.ndarray:
    """One image as uint8 [H, W, 3]. Raises TrainingError when it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TrainingError(f"{where}: not a readable image ({error}); remove it") from error


def read_split(data: Path, split: str) -> ImageSet:
    """The `train` or `test` images of the data set at `data`, a folder or a tar archive.

    What it holds decides how it is read: CIFAR's binary files or pickles, a mosaic per class
    (SPLIT/CLASS.webp), or class folders (SPLIT/CLASS/IMAGE), those of `test` also in a folder `val`.
    Images of one small size are read as they are, others as Photographs. Raises TrainingError
    otherwise.
    """
    if not data.exists():
        raise TrainingError(f"{data / split}: no such folder; pass --data a data set")
    files = open_files(data)
    if cifar.matching(files, cifar.BINARY[split]):
        return _labelled(*cifar.read_binary(files, split))
    if cifar.matching(files, cifar.PICKLED[split]):
        return _labelled(*cifar.read_pickled(files, split))
    folder = next((name for name in FOLDERS[split] if name in files.folders), None)
    if folder is None:
        raise TrainingError(
            f"{data / split}: no such folder; a data set holds {split}/CLASS/IMAGE, "
            f"{split}/CLASS.webp, or CIFAR's own binary files or pickles"
        )
    if any(_suffix(name) in MOSAIC_SUFFIXES for name in files.under(folder)):
        return _read_mosaics(files, folder)
    named = _class_folders(files, folder)
    firsts = [names[0] for names in named.values()]
    if any(min(image_size(files.read(name), files.where(name))) > LARGEST_SMALL for name in firsts):
        return _read_photographs(files, folder, named)
    return _read_small_images(files, named)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _labelled(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> LabelledImages:
    return LabelledImages(torch.from_numpy(images), torch.from_numpy(labels), classes)


def _class_folders(files: Files, split: str) -> dict[str, list[str]]:
    """SPLIT/CLASS/IMAGE: the images of each class folder, in alphabetical order."""
    folders = [name for name in files.folders if name.rpartition("/")[0] == split]
    if not folders:
        where = files.where(split)
        raise TrainingError(f"{where}: holds no class folders; expected {where}/CLASS/IMAGE")
    under: dict[str, list[str]] = {folder: [] for folder in folders}
    for name in files.names:
        if _suffix(name) in IMAGE_SUFFIXES and name.rpartition("/")[0] in under:
            under[name.rpartition("/")[0]].append(name)
    for folder, names in under.items():
        if not names:
            where = files.where(folder)
            raise TrainingError(f"{where}: holds no images; add some or remove the folder")
    return under


def _class_names(named: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(PurePosixPath(folder).name for folder in named)


def _labels(named: dict[str, list[str]]) -> torch.Tensor:
    counts = torch.tensor([len(names) for names in named.values()])
    return torch.repeat_interleave(torch.arange(len(named)), counts)


def _read_small_images(files: Files, named: dict[str, list[str]]) -> LabelledImages:
    """Images of one size, as they are."""
    images: list[np.ndarray] = []
    for name in (name for names in named.values() for name in names):
        image = decode_image(files.read(name), files.where(name))
        if images and image.shape != images[0].shape:
            raise TrainingError(
                f"{files.where(name)}: is {image.shape[1]}x{image.shape[0]}, the images "
                f"before it are {images[0].shape[1]}x{images[0].shape[0]}; resize it"
            )
        images.append(image)
    return LabelledImages(torch.from_numpy(np.stack(images)), _labels(named), _class_names(named))


def _read_photographs(files: Files, split: str, named: dict[str, list[str]]) -> Photographs:
    """Images of any size, through the cache of decoded ones."""
    labels = _labels(named)
    squares = cached_images(files, [name for names in named.values() for name in names], split)
    with warnings.catch_warnings():
        # Nothing writes to the mapped file.
        warnings.simplefilter("ignore", UserWarning)
        mapped = torch.from_numpy(squares)
    return Photographs(mapped, torch.arange(len(labels)), labels, _class_names(named))


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


def hold_out(data: ImageSet, every: int = 10) -> tuple[ImageSet, ImageSet]:
    """Split into (training, validation): each class's first, 11th, 21st... image is held out."""
    held = torch.zeros(len(data), dtype=torch.bool)
    for label in range(len(data.classes)):
        held[torch.nonzero(data.labels == label).flatten()[::every]] = True
    return data.select(~held), data.select(held)


def spread(data: ImageSet, count: int) -> ImageSet:
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
