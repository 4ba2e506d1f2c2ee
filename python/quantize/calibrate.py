"""The ranges of activations, on some images."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector

from boundaries import Boundaries
from errors import QuantizeError
from insert import Numbers, numbers_of_range

METHODS = ("minmax", "percentile", "entropy")
# Of the first batch, and as many more as later ones need. Entropy's time goes with their square.
BINS = {"percentile": 2048, "entropy": 512}
QUANTISED_BINS = 255


class MinMax:
    """The range of all values."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[float, float]] = {}

    def add(self, values: dict[str, np.ndarray]) -> None:
        for name, x in values.items():
            low, high = self._ranges.get(name, (0.0, 0.0))
            self._ranges[name] = (min(low, float(x.min())), max(high, float(x.max())))

    def ranges(self) -> dict[str, tuple[float, float]]:
        return self._ranges


class Histogram:
    """onnxruntime's: of percentiles, or of the least divergence from the values' distribution.

    Zeros do not count: they are exact at any scale, and ReLU leaves so many that they would hide
    what is clipped of the rest."""

    def __init__(self, method: str, percentile: float) -> None:
        self._collector = HistogramCollector(
            method, False, BINS[method], QUANTISED_BINS, percentile, "same"
        )

    def add(self, values: dict[str, np.ndarray]) -> None:
        others = {name: x[x != 0] for name, x in values.items()}
        with contextlib.redirect_stdout(io.StringIO()):
            self._collector.collect({name: x for name, x in others.items() if x.size})

    def ranges(self) -> dict[str, tuple[float, float]]:
        with contextlib.redirect_stdout(io.StringIO()):
            found = self._collector.compute_collection_result()
        return {name: (float(low), float(high)) for name, (low, high, *_) in found.items()}


def calibrate(
    path: Path,
    boundaries: Boundaries,
    values: Iterable[dict[str, np.ndarray]],
    method: str,
    percentile: float,
) -> dict[str, Numbers]:
    """Numbers of every boundary of the network in `path`. `values`: batch by batch, those of
    boundaries.calibrated among them."""
    collector = MinMax() if method == "minmax" else Histogram(method, percentile)
    for batch in values:
        for name in boundaries.calibrated:
            if not np.isfinite(batch[name]).all():
                raise QuantizeError(
                    f"{path}: '{name}' has values that are not finite on these images; "
                    "check the network and its metadata"
                )
        collector.add({name: batch[name] for name in boundaries.calibrated})
    ranges = collector.ranges()
    numbers = {}
    for name, sources in boundaries.sources.items():
        lows, highs = zip(*(ranges.get(source, (0.0, 0.0)) for source in sources))
        numbers[name] = numbers_of_range(min(lows), max(highs))
    return numbers
