"""Classifies the images of a folder on two workers of a Ray of this machine alone.

    RAY_USAGE_STATS_ENABLED=0 python python/scale/classify_folder.py MODEL FOLDER [RESULTS]

Prints a line per image, or writes the results as Parquet to the folder RESULTS. Exits with 1 where an image failed.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray

import sluice.ray

WORKERS = 2


def start_ray() -> None:
    """Ray on 127.0.0.1, with a logical CPU more than workers: one reads while they compute."""
    ray.init(address="local", num_cpus=WORKERS + 1, include_dashboard=False, log_to_driver=False,
             logging_level="warning", _node_ip_address="127.0.0.1")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)


def classify(model: str, folder: str) -> ray.data.Dataset:
    """The results, in columns path, label, index, score, macs_share and error."""
    images = ray.data.read_binary_files(os.path.abspath(folder), include_paths=True)
    return images.map_batches(
        sluice.ray.Classifier, fn_constructor_args=[os.path.abspath(model)],
        fn_constructor_kwargs={"column": "bytes"},
        batch_size=512, num_cpus=1, compute=ray.data.ActorPoolStrategy(size=WORKERS))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("results", nargs="?")
    arguments = parser.parse_args()
    start_ray()
    results = classify(arguments.model, arguments.folder).materialize()
    if arguments.results:
        results.write_parquet(os.path.abspath(arguments.results))
    failed = 0
    for row in results.iter_rows():
        failed += row["error"] != ""
        if not arguments.results:
            said = row["error"] or f"{row['label']} {row['score']:.1%}, {row['macs_share']:.1%} of MACs"
            print(f"{row['path']}: {said}")
    print(f"{results.count()} images, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
