"""Training to the end, one process per run: validation after every epoch, log, checkpoint."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sluice_training.batches import Normalizer, plain_batches
from sluice_training.checkpoint import replace_text, write_checkpoint
from sluice_training.config import stored_config
from sluice_training.data import ImageSet
from sluice_training.errors import TrainingError
from sluice_training.macs import MacsReport, MaskRecorder, count_macs
from sluice_training.run import Run, autocast

LOG, CHECKPOINT, LOCK = "log.jsonl", "checkpoint.pt", ".lock"


@torch.no_grad()
def validate(
    model: nn.Module, data: ImageSet, normalizer: Normalizer, precision: str = "fp32"
) -> tuple[float, float, MacsReport]:
    """Accuracy, mean loss and MACs of the model in evaluation mode on all of `data`."""
    model.eval()
    device = next(model.parameters()).device
    correct = 0
    loss = 0.0
    report = count_macs(model, data.input_size)
    recorder = MaskRecorder(model)
    with recorder, autocast(precision, device):
        for images, labels in plain_batches(data, normalizer.to(device), device=device):
            scores = model(images).float()
            correct += int((scores.argmax(1) == labels).sum())
            loss += float(functional.cross_entropy(scores, labels, reduction="sum"))
    return correct / len(data), loss / len(data), recorder.fill(report)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The records of a run's finished epochs; none where it has no log yet."""
    path = folder / LOG
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except ValueError as error:
        raise TrainingError(f"{path}: not a log of train.py ({error})") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder; the system lets go of it however the process ends.

    Raises TrainingError where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TrainingError(f"{folder}: another process is training it") from error
        yield


def held(folder: Path) -> bool:
    """Whether a process trains in a folder."""
    if not (folder / LOCK).exists():
        return False
    with (folder / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def resume(run: Run, folder: Path) -> bool:
    """Go on from a folder's checkpoint, where there is one; returns whether there was.

    Raises TrainingError where it is damaged or of a run of other options.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return False
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        fits = stored_config(state["config"]) == run.config
    except Exception as error:  # the unpickler lets any error of damaged bytes through
        raise TrainingError(f"{path}: not a readable checkpoint; train again") from error
    if not fits:
        raise TrainingError(f"{path}: belongs to other options; repeat them or take another folder")
    run.restore(state)
    return True


def train(
    run: Run,
    held_out: ImageSet,
    normalizer: Normalizer,
    folder: Path,
    fixed: dict[str, Any] | None = None,
) -> None:
    """Train to the end; each epoch adds a line to `log.jsonl` and replaces `checkpoint.pt`.

    `fixed` is stored beside the run's state: the network, its gates, classes and normalisation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # An interruption between the two files leaves a line of an epoch that will run again.
    records = [record for record in read_log(folder) if record["epoch"] <= run.epoch]
    while run.epoch < run.config.epochs:
        record: dict[str, Any] = run.train_epoch(show=True)
        accuracy, loss, macs = validate(run.model, held_out, normalizer, run.precision)
        predicted = run.after_validation(macs)
        record |= {"val_accuracy": round(accuracy, 4), "val_loss": round(loss, 4)} | predicted
        if macs.layers:
            record["cut"] = round(macs.cut, 4)
            record["cut_by_live_gates"] = round(macs.cut_by_live_gates, 4)
            record["dead_maps"] = macs.dead_maps
            record["dead_blocks"] = macs.dead_blocks
            record["densities"] = [round(layer.density, 3) for layer in macs.layers]
        records.append(record)
        replace_text(folder / LOG, "".join(json.dumps(r) + "\n" for r in records))
        write_checkpoint(folder / CHECKPOINT, (fixed or {}) | run.state())
        print(json.dumps(record), flush=True)
