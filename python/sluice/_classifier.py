"""Images, classified as the command `sluice classify` does."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._errors import failure
from ._model import Model


class Classification(NamedTuple):
    """The best class of an image, and what it cost to find."""

    class_index: int
    label: str
    """The class's name; "class 7" where the network names none."""
    score: float
    """Its probability, 0 to 1."""
    macs_share: float
    """MACs executed, of those of the network with nothing skipped. The LCCL branches' count as executed, so that
    it may exceed 1."""


class ImageClassifier:
    """A network that classifies images of any size, one at a time.

    path: the ONNX file: one input [N, 3, height, width], one output of a score per class.
    labels: a name per class.
    mean, std: of each channel, of samples divided by 255.
    resize_shorter_side: of an image before its centre is cut out; without it images are resized to
        the input's height and width.
    interpolation: "bilinear" or "bicubic".
    Other arguments are those of Model.

    Labels and preprocessing are by default those of the file's metadata "sluice.labels", "sluice.mean" and so on.

    Raises Error as Model does, and where the network is no classifier of colour images. Attributes: model, labels.
    """

    def __init__(self, path: str | os.PathLike[str], *, labels: Sequence[str] | None = None,
                 mean: Sequence[float] | None = None, std: Sequence[float] | None = None,
                 resize_shorter_side: int | None = None, interpolation: str | None = None,
                 record_gates: bool = False, **arguments: Any) -> None:
        self.model = Model(path, record_gates=record_gates, **arguments)
        self._file = os.fspath(path)
        given = {"labels": labels, "mean": mean, "std": std,
                 "resize_shorter_side": resize_shorter_side, "interpolation": interpolation}
        metadata = self.model.metadata | {
            f"sluice.{key}": json.dumps(np.asarray(value).tolist())
            for key, value in given.items() if value is not None}
        self._core = _core.Classifier(self.model._core, metadata)
        self.labels = self._core.labels()
        info = self.model.inputs[0]
        self._tensor = (info.shape[1:], info.dtype)

    def __call__(self, image: Any) -> Classification:
        """The best class of an image, which is one of these:

        - the contents of a JPEG, PNG, WebP or PPM file, as bytes;
        - its samples, uint8 [height, width, 3] in RGB, of any size;
        - the network's input itself, [3, height, width] of its element type, already normalised.

        Raises Error where it is none of them, where a file is damaged, or where the scores are not finite.
        """
        scores = self.model(self.prepare(image))
        best: Any = self._core.best(scores)
        if best is None:
            raise failure("gives scores that are not finite",
                          "check mean and std, and the network in ONNX Runtime", self._file)
        index, score = best
        label = self.labels[index] if self.labels else f"class {index}"
        macs = self.model.macs
        share = self.model.macs_executed / macs if macs else 1.0
        return Classification(index, label, score, share)

    def prepare(self, image: Any) -> np.ndarray:
        """The network's input [1, 3, height, width] for an image, resized, cut and normalised as need be."""
        if isinstance(image, (bytes, bytearray, memoryview)):
            return np.asarray(self._core.input_of_file(bytes(image)))
        array = np.asarray(image)
        if (array.shape, array.dtype) == self._tensor:
            return array[None]
        if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3:
            return np.asarray(self._core.input_of_pixels(np.ascontiguousarray(array)))
        shape, dtype = self._tensor
        raise failure(f"is {array.dtype} {list(array.shape)} and no image",
                      f"pass a file's bytes, uint8 [height, width, 3], or {dtype} {list(shape)}")
