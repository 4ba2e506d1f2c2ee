"""CIFAR-10 and CIFAR-100 as A. Krizhevsky (2009) published them: binary records and pickles.

Source: the description beside the data sets, https://www.cs.toronto.edu/~kriz/cifar.html. A binary
record is the label, for CIFAR-100 the coarse one before the fine one, then 3 x 32 x 32 bytes, a
plane a colour. A pickle holds the same bytes in `data`, [N, 3072], and the labels in a list.
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from sluice_training.errors import TrainingError
from sluice_training.files import Files

SIDE = 32
PIXELS = 3 * SIDE * SIDE
BINARY = {
    "train": re.compile(r"data_batch_\d\.bin|train\.bin"),
    "test": re.compile(r"test_batch\.bin|test\.bin"),
}
PICKLED = {
    "train": re.compile(r"data_batch_\d|train"),
    "test": re.compile(r"test_batch|test"),
}
TEXT_NAMES = ("batches.meta.txt", "fine_label_names.txt")
PICKLED_NAMES = ("batches.meta", "meta")

Labelled = tuple[np.ndarray, np.ndarray, tuple[str, ...]]


def matching(files: Files, pattern: re.Pattern[str]) -> list[str]:
    """The files whose own name the pattern matches in full."""
    return [name for name in files.names if pattern.fullmatch(PurePosixPath(name).name)]


def read_binary(files: Files, split: str) -> Labelled:
    """Images uint8 [N, 32, 32, 3], labels int64 [N], class names."""
    names = matching(files, BINARY[split])
    _expect(bool(names), files, f"no binary file of '{split}'")
    labels, pixels = [], []
    for name in names:
        label_bytes = 1 if PurePosixPath(name).name.startswith(("data", "test_")) else 2
        record = label_bytes + PIXELS
        raw = np.frombuffer(files.read(name), np.uint8)
        if raw.size == 0 or raw.size % record:
            raise TrainingError(
                f"{files.where(name)}: {raw.size} bytes are not whole records of {record}; "
                "fetch it again"
            )
        records = raw.reshape(-1, record)
        labels.append(records[:, label_bytes - 1])
        pixels.append(records[:, label_bytes:])
    found = [name for name in files.names if PurePosixPath(name).name in TEXT_NAMES]
    _expect(bool(found), files, f"no class names ({' or '.join(TEXT_NAMES)})")
    try:
        classes = tuple(files.read(found[0]).decode().split())
    except UnicodeDecodeError as error:
        raise TrainingError(f"{files.where(found[0])}: not a text of class names") from error
    return _checked(files, np.concatenate(pixels), np.concatenate(labels), classes)


def read_pickled(files: Files, split: str) -> Labelled:
    """Images uint8 [N, 32, 32, 3], labels int64 [N], class names."""
    names = matching(files, PICKLED[split])
    _expect(bool(names), files, f"no pickle of '{split}'")
    labels, pixels = [], []
    for name in names:
        batch = _load(files, name)
        try:
            fine = batch.get("fine_labels", batch.get("labels"))
            labels.append(np.asarray(fine, np.int64))
            pixels.append(np.asarray(batch["data"], np.uint8).reshape(-1, PIXELS))
        except (KeyError, ValueError, TypeError) as error:
            raise TrainingError(f"{files.where(name)}: lacks CIFAR's labels or data") from error
    found = [name for name in files.names if PurePosixPath(name).name in PICKLED_NAMES]
    _expect(bool(found), files, f"no class names ({' or '.join(PICKLED_NAMES)})")
    meta = _load(files, found[0])
    texts = meta.get("fine_label_names", meta.get("label_names", ()))
    classes = tuple(t.decode() if isinstance(t, bytes) else str(t) for t in texts)
    return _checked(files, np.concatenate(pixels), np.concatenate(labels), classes)


class _Unpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain containers, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")
        if (module, name) in {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.numeric", "_frombuffer"),
            ("_codecs", "encode"),
        }:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"holds {module}.{name}")


def _load(files: Files, name: str) -> dict[str, Any]:
    try:
        found = _Unpickler(io.BytesIO(files.read(name)), encoding="bytes").load()
        return {k.decode() if isinstance(k, bytes) else k: v for k, v in found.items()}
    except TrainingError:
        raise
    except Exception as error:  # damaged bytes may raise anything
        raise TrainingError(
            f"{files.where(name)}: not a pickle of CIFAR ({error}); fetch it again"
        ) from error


def _checked(
    files: Files, pixels: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> Labelled:
    _expect(len(pixels) == len(labels), files, "images and labels differ in number")
    highest = int(labels.max())
    _expect(highest < len(classes), files, f"label {highest}, but {len(classes)} class names")
    images = pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.astype(np.int64), classes


def _expect(holds: bool, files: Files, what: str) -> None:
    if not holds:
        raise TrainingError(f"{files.root}: {what}; fetch the data set again")
