"""The images of a folder as `classify` gives them to a network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from PIL import Image, ImageOps, UnidentifiedImageError

from errors import QuantizeError

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".ppm")
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class Preprocessing:
    """mean, std: of each RGB channel, float32 [3], in units of pixel/255. shorter_side: images are
    scaled to it before the centre is cut out; None: they are scaled to the input's size. size: the
    input's height and width. interpolation: the filter of the scaling."""

    mean: np.ndarray
    std: np.ndarray
    shorter_side: int | None
    size: tuple[int, int]
    interpolation: Image.Resampling = Image.Resampling.BILINEAR


def read_metadata(path: Path, metadata: dict[str, str], key: str, fallback, is_valid, needed: str):
    if key not in metadata:
        return fallback
    try:
        value = json.loads(metadata[key])
    except ValueError:
        value = None
    if value is None or not is_valid(value):
        raise QuantizeError(f'{path}: the metadata "{key}" is not {needed}; export the model again')
    return value


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_triple(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(is_number, value))


def read_preprocessing(path: Path, model: onnx.ModelProto) -> Preprocessing:
    """What the metadata of the file say; absent entries have the defaults of `classify`."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    mean = read_metadata(
        path, metadata, "sluice.mean", [0, 0, 0], is_triple, "three finite numbers"
    )
    std = read_metadata(
        path,
        metadata,
        "sluice.std",
        [1, 1, 1],
        lambda v: is_triple(v) and min(v) > 0,
        "three positive numbers",
    )
    side = read_metadata(
        path,
        metadata,
        "sluice.resize_shorter_side",
        None,
        lambda v: type(v) is int and 1 <= v <= 32768,
        "an integer of 1 to 32768",
    )
    interpolation = read_metadata(
        path,
        metadata,
        "sluice.interpolation",
        "bilinear",
        lambda v: isinstance(v, str) and v in INTERPOLATIONS,
        '"bilinear" or "bicubic"',
    )
    weights = {tensor.name for tensor in model.graph.initializer}
    image = next(value for value in model.graph.input if value.name not in weights)
    height, width = (dim.dim_value for dim in image.type.tensor_type.shape.dim[2:])
    return Preprocessing(
        np.array(mean, np.float32),
        np.array(std, np.float32),
        side,
        (height, width),
        INTERPOLATIONS[interpolation],
    )


def read_labels(path: Path, model: onnx.ModelProto) -> list[str]:
    """The names of the classes; empty where the file has none."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return read_metadata(
        path,
        metadata,
        "sluice.labels",
        [],
        lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v),
        "a JSON array of strings",
    )


def centre_crop(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of [rows, columns, 3], with zeros around it where it is too small."""
    result = np.zeros((height, width, 3), pixels.dtype)
    source, target = [], []
    for have, want in zip(pixels.shape[:2], (height, width)):
        size = min(have, want)
        first = round((have - want) / 2) if have >= want else 0
        source.append(slice(first, first + size))
        first = (want - have) // 2 if have < want else 0
        target.append(slice(first, first + size))
    result[tuple(target)] = pixels[tuple(source)]
    return result


def fit(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """uint8 [height, width, 3] at the input's size, as apps/image/preprocess.h says."""
    height, width = preprocessing.size
    scaled = (width, height)
    if preprocessing.shorter_side is not None:
        least = min(image.size)
        scaled = tuple(max(preprocessing.shorter_side * side // least, 1) for side in image.size)
    if image.size != scaled:
        image = image.resize(scaled, preprocessing.interpolation)
    pixels = np.asarray(image)
    return pixels if preprocessing.shorter_side is None else centre_crop(pixels, height, width)


def read_image(path: Path, preprocessing: Preprocessing) -> np.ndarray:
    """float32 [3, height, width], normalised."""
    try:
        with Image.open(path) as image:
            pixels = fit(ImageOps.exif_transpose(image).convert("RGB"), preprocessing)
    except (
        OSError,
        UnidentifiedImageError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise QuantizeError(
            f"{path}: cannot be read as an image ({error}); "
            "take it out of the folder, or save it again"
        ) from error
    samples = pixels.astype(np.float32) / np.float32(255)
    return ((samples - preprocessing.mean) / preprocessing.std).transpose(2, 0, 1)


def find_images(folder: Path) -> list[Path]:
    """All that are named like images in `folder` and the folders below it, sorted by path."""
    if not folder.is_dir():
        raise QuantizeError(f"{folder}: is no folder; name one that holds images")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise QuantizeError(
            f"{folder}: holds no images; name a folder of {', '.join(EXTENSIONS)} files"
        )
    return found


def choose(images: Sequence[Path], count: int, seed: int) -> list[Path]:
    """At most `count` of them, drawn by `seed`, in their order."""
    if count >= len(images):
        return list(images)
    places = np.random.default_rng(seed).choice(len(images), count, replace=False)
    return [images[place] for place in sorted(places)]


def batches(
    images: Sequence[Path], preprocessing: Preprocessing, size: int
) -> Iterator[np.ndarray]:
    """float32 [size, 3, height, width] each, the last one smaller."""
    for first in range(0, len(images), size):
        yield np.stack([read_image(path, preprocessing) for path in images[first : first + size]])
