"""The images on which a network is compared with its twin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from images import Preprocessing, batches


@dataclass(frozen=True)
class TestSet:
    """first: of each class, the first one of the same name. truth: of each image its true class, as
    such a first one; None where the folders are not named like classes."""

    paths: list[Path]
    first: np.ndarray
    truth: np.ndarray | None

    def batches(
        self, preprocessing: Preprocessing, size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Images [size, 3, height, width] and their true classes [size] or None."""
        for place, batch in enumerate(batches(self.paths, preprocessing, size)):
            part = slice(place * size, place * size + len(batch))
            yield batch, None if self.truth is None else self.truth[part]


def make_test_set(paths: list[Path], labels: list[str], classes: int) -> TestSet:
    """`labels`: of the network's classes; where it names none and there is a folder for each class,
    these stand in their order by name."""
    folders = [path.parent.name for path in paths]
    if not labels and len(set(folders)) == classes:
        labels = sorted(set(folders))
    if len(labels) != classes:
        return TestSet(paths, np.arange(classes), None)
    places = {label: labels.index(label) for label in labels}
    first = np.array([places[label] for label in labels])
    is_labelled = all(folder in places for folder in folders)
    return TestSet(paths, first, np.array([places[f] for f in folders]) if is_labelled else None)
