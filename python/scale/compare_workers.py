"""Images per second of one process, of a Ray worker, and of two, on the same images.

    RAY_USAGE_STATS_ENABLED=0 python python/scale/compare_workers.py --model MODEL --mosaics FOLDER

FOLDER holds images that are each a mosaic of rows by columns of square images, as a data set of small images is
kept. Each way runs --turns times, by turns with the others; the median counts. It exits with 1 where the results
of two ways differ.

A job on Ray takes a while before its first image: the workers start and read the model. So each job runs twice, on the
images once and on them --repeat times over, and the images per second are those of the difference. The
loop in this process has no such start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np
import ray
from PIL import Image

import sluice.ray
from classify_folder import WORKERS, start_ray

COLUMN = "data"  # as ray.data.from_numpy names it
Results = dict[str, np.ndarray]


def read_mosaics(folder: Path, rows: int, columns: int, side: int) -> np.ndarray:
    """uint8 [images, side, side, 3], of the files in alphabetical order, row-major within each."""
    parts = [np.asarray(Image.open(path).convert("RGB"))
             .reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
             for path in sorted(folder.iterdir())]
    return np.concatenate(parts)


def joined(batches: Iterable[Results]) -> Results:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Loop:
    """A loop over the batches in this process."""

    name = "a loop in one process"

    def __init__(self, options: dict[str, Any]) -> None:
        self._classifier = sluice.ray.Classifier(**options)

    def run(self, blocks: list[np.ndarray]) -> tuple[float, Results]:
        """Seconds, and the results in order."""
        start = time.perf_counter()
        results = [self._classifier({COLUMN: block}) for block in blocks]
        return time.perf_counter() - start, joined(results)


class Workers:
    """Ray Data's actors, on blocks which lie in the object store before the job begins."""

    def __init__(self, options: dict[str, Any], workers: int) -> None:
        self.name = f"Ray, {workers} worker" + ("s" if workers > 1 else "")
        self._options = options
        self._workers = workers

    def run(self, blocks: list[np.ndarray]) -> tuple[float, Results]:
        """Seconds of the whole job, and the results in order."""
        images = ray.data.from_numpy(blocks)
        job = images.map_batches(sluice.ray.Classifier, fn_constructor_kwargs=self._options,
                                 batch_size=len(blocks[0]), num_cpus=1,
                                 compute=ray.data.ActorPoolStrategy(size=self._workers))
        start = time.perf_counter()
        done = job.materialize()
        seconds = time.perf_counter() - start
        return seconds, joined(done.iter_batches(batch_size=None, batch_format="numpy"))


def differences(found: Results, expected: Results) -> list[str]:
    """Names of the columns whose values differ; NaN is equal to NaN."""
    return [name for name, values in expected.items()
            if not ((values == found[name]) | ((values != values) & (found[name] != found[name]))).all()]


def passes(way: Loop | Workers, blocks: list[np.ndarray], repeat: int) -> tuple[float, float, Results]:
    """Seconds of a job on the images once, and `repeat` times over, and the results of the first."""
    once, results = way.run(blocks)
    often, _ = way.run(blocks * repeat)
    return once, often, results


def report(name: str, images: int, repeat: int, seconds: list[tuple[float, float]]) -> float:
    """Prints a way's line. Returns its images per second."""
    rates = [(repeat - 1) * images / (often - once) for once, often in seconds]
    whole = [repeat * images / often for _, often in seconds]
    rate = statistics.median(rates)
    print(f"{name:24} {rate:9.0f} images/s ({min(rates):.0f} to {max(rates):.0f}), "
          f"with the start {statistics.median(whole):.0f}", flush=True)
    return rate


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, type=os.path.abspath)
    parser.add_argument("--mosaics", required=True, type=Path)
    parser.add_argument("--rows", type=int, default=25)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--images", type=int, help="take the first ones of an even spread alone")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    for name in ("mean", "std"):
        parser.add_argument(f"--{name}", type=float, nargs=3)
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    images = read_mosaics(arguments.mosaics, arguments.rows, arguments.columns, arguments.side)
    if arguments.images:
        images = images[::len(images) // arguments.images][:arguments.images]
    blocks = [images[i:i + arguments.batch] for i in range(0, len(images), arguments.batch)]
    options = {"model": arguments.model, "column": COLUMN, "mean": arguments.mean, "std": arguments.std}
    start_ray()
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    ways = [Loop(options), Workers(options, 1), Workers(options, WORKERS)]
    seconds: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
    expected: Results = {}
    for _ in range(arguments.turns):
        for way in ways:
            once, often, results = passes(way, blocks, arguments.repeat)
            seconds[way.name].append((once, often))
            expected = expected or results
            if wrong := differences(results, expected):
                print(f"{way.name}: other results in {', '.join(wrong)}", file=sys.stderr)
                return 1
    print(f"{len(images)} images in batches of {arguments.batch}, {os.path.basename(arguments.model)}, "
          f"median of {arguments.turns} turns")
    rates = [report(name, len(images), arguments.repeat, found) for name, found in seconds.items()]
    print(f"{WORKERS} workers are {rates[2] / rates[1]:.2f} times one worker and "
          f"{rates[2] / rates[0]:.2f} times the loop; all results are equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
