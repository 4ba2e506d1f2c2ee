"""Photographs decoded and shrunk once: square uint8 images in one memory-mapped file per split.

An epoch of JPEGs costs more to decode than a small network to train on one core. The file's name
holds a digest of the sources' names, sizes and times, so that a changed data set is decoded anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageOps

from sluice_training.errors import TrainingError
from sluice_training.files import Files

# Side in pixels; images whose shorter sides are mostly smaller are kept at those sides' median.
SIDE = 256
FOLDER = "SLUICE_CACHE"
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def cache_folder(data: Path) -> Path:
    """Where a data set's decoded images are kept: beside it, or where SLUICE_CACHE says."""
    chosen = os.environ.get(FOLDER)
    return Path(chosen) if chosen else data.with_name(data.name + ".cache")


def image_size(content: bytes, where: str) -> tuple[int, int]:
    """Width and height by an image's header. Raises TrainingError where it has none."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    except UNREADABLE as error:
        raise TrainingError(f"{where}: not a readable image ({error}); remove it") from error


def decode_square(content: bytes, where: str, side: int) -> np.ndarray:
    """The centre square of a photograph, upright, at `side` pixels: uint8 [side, side, 3]."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            # Lets libjpeg decode at a half, a quarter or an eighth where that is still as large.
            opened.draft("RGB", (side, side))
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except UNREADABLE as error:
        raise TrainingError(f"{where}: not a readable image ({error}); remove it") from error
    shorter = min(image.size)
    left, top = (image.width - shorter) / 2, (image.height - shorter) / 2
    box = (left, top, left + shorter, top + shorter)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box))


def cached_images(files: Files, names: Sequence[str], split: str) -> np.ndarray:
    """The images `names` in their order, uint8 [N, side, side, 3], mapped from the cache's file.

    Decodes them where the cache lacks them, on all cores; another process that wants them waits.
    Raises TrainingError where an image is unreadable or the cache cannot be written.
    """
    folder = cache_folder(files.root)
    path = folder / f"{split}-{_digest(files, names)}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _exclusive(folder):
            if not path.exists():
                _decode_all(files, names, path)
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder}: cannot keep the decoded images ({error}); set {FOLDER} to a folder that can"
        ) from error


def _decode_all(files: Files, names: Sequence[str], path: Path) -> None:
    sizes = [min(image_size(files.read(name), files.where(name))) for name in names]
    side = min(SIDE, int(median(sizes)))
    aside = path.with_name(f"{path.name}.partial")
    images = np.lib.format.open_memmap(aside, "w+", np.uint8, (len(names), side, side, 3))

    def decode(index: int) -> None:
        name = names[index]
        images[index] = decode_square(files.read(name), files.where(name), side)

    print(f"{path.parent}: decoding {len(names)} images to {side}x{side}, once", file=sys.stderr)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(decode, range(len(names))):
            pass
    images.flush()
    os.replace(aside, path)


def _digest(files: Files, names: Sequence[str]) -> str:
    digest = hashlib.sha256(str(SIDE).encode())
    for name in names:
        digest.update(f"{name} {files.stamp(name)}\n".encode())
    return digest.hexdigest()[:16]


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
