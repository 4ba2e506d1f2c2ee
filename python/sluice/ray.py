"""Images classified on a cluster by Ray Data. Needs the package ray[data].

    import ray
    import sluice.ray

    images = ray.data.read_binary_files("s3://bucket/images", include_paths=True)
    results = images.map_batches(sluice.ray.Classifier, fn_constructor_args=["model.onnx"],
                                 fn_constructor_kwargs={"column": "bytes"},
                                 batch_size=512, num_cpus=1,
                                 compute=ray.data.ActorPoolStrategy(size=16))

Nothing here imports ray, so that a Classifier can be tried on a batch without it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._classifier import Classification, ImageClassifier
from ._errors import Error, failure

NOTHING = Classification(-1, "", float("nan"), float("nan"))
"""Stands in the row of an image that failed. No nulls, so that all blocks have one schema."""


class Classifier:
    """For map_batches: replaces the column of images by what the network says of each.

    model: path of the ONNX file, on every node.
    column: name of the images' column.
    prefix: of the new columns' names, for datasets that have a column "label" or "index" of their own.
    Other arguments are those of ImageClassifier. Each worker loads the model once and runs it on
    threads=1: a process per core.

    Raises Error where the model cannot be read, so that the job ends.
    """

    def __init__(self, model: str | os.PathLike[str], *, column: str = "image", prefix: str = "",
                 **arguments: Any) -> None:
        self._classifier = ImageClassifier(model, **arguments)
        self._column = column
        self._prefix = prefix

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The batch without its images, with these columns more:

        - label: the class's name; "" where the image failed
        - index: the class's number, int64; -1 where the image failed
        - score: its probability, float64; NaN where the image failed
        - macs_share: MACs executed, of those of the network with nothing skipped; NaN likewise
        - error: what is wrong with the image; "" where nothing is

        batch: arrays by column, as batch_format="numpy" has them. An image is what ImageClassifier
        takes, or a dict with a file's contents as "bytes", as Hugging Face's Parquet files have it.

        Raises Error where there is no column of images, or where a new column is there already.
        """
        if self._column not in batch:
            raise failure(f"the dataset has no column {self._column!r}",
                          "pass column= with one of " + ", ".join(map(repr, batch)))
        rows = [self._row(image) for image in batch[self._column]]
        results, errors = zip(*rows) if rows else ((), ())
        columns = {
            "label": np.array([result.label for result in results], object),
            "index": np.array([result.class_index for result in results], np.int64),
            "score": np.array([result.score for result in results], np.float64),
            "macs_share": np.array([result.macs_share for result in results], np.float64),
            "error": np.array(errors, object),
        }
        kept = {name: values for name, values in batch.items() if name != self._column}
        for name, values in columns.items():
            if self._prefix + name in kept:
                raise failure(f"the dataset has a column {self._prefix + name!r} already",
                              "pass prefix= for the names of the new columns")
            kept[self._prefix + name] = values
        return kept

    def _row(self, image: Any) -> tuple[Classification, str]:
        """The result and what went wrong, which is one image's and must not end the job."""
        try:
            return self._classifier(image.get("bytes") if isinstance(image, Mapping) else image), ""
        except Error as error:
            return NOTHING, str(error)
