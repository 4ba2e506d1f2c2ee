"""One training run: its configuration, the loop, and its log."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from sluice_training.batches import AugmentedBatches, Batch, Normalizer, plain_batches
from sluice_training.checkpoint import write_checkpoint
from sluice_training.data import LabelledImages
from sluice_training.density import DensityController
from sluice_training.lccl import gated_layers
from sluice_training.macs import MacsReport, MaskRecorder, count_macs


@dataclass(frozen=True)
class RunConfig:
    """What defines a run; stored in its checkpoint, so that a resumed run goes on alike.

    warmup: share of the run over which the learning rate climbs to its peak, then a cosine to 0.
    target: wanted density of the gates, unused in a dense run.
    distill: weight of the teacher's soft labels in the loss, 0 without a teacher.
    """

    epochs: int
    batch_size: int = 128
    peak_lr: float = 0.2
    warmup: float = 0.15
    momentum: float = 0.9
    weight_decay: float = 5e-4
    target: float = 0.5
    anneal: float = 0.6
    distill: float = 0.0
    temperature: float = 4.0
    seed: int = 1
    precision: str = "bf16"


def learning_rate(config: RunConfig, progress: float) -> float:
    """Linear warm-up to the peak, then half a cosine down to zero."""
    if progress < config.warmup:
        return config.peak_lr * progress / config.warmup
    done = (progress - config.warmup) / (1 - config.warmup)
    return config.peak_lr * 0.5 * (1 + math.cos(math.pi * done))


class Run:
    """A model in training; `state()` and `restore()` carry it over an interruption exactly."""

    def __init__(
        self,
        model: nn.Module,
        config: RunConfig,
        data: LabelledImages,
        normalizer: Normalizer,
        teacher: nn.Module | None = None,
    ) -> None:
        self.model = model.to(memory_format=torch.channels_last)
        self.config = config
        self.epoch = 0
        self._teacher = teacher
        self._generator = torch.Generator().manual_seed(config.seed)
        self._batches = AugmentedBatches(data, normalizer, config.batch_size, self._generator)
        trained = [p for p in model.parameters() if p.requires_grad]
        self._optimizer = torch.optim.SGD(
            trained,
            lr=config.peak_lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=True,
        )
        self._controller: DensityController | None = None
        fixed = [layer.gate.spec.slope is not None for _, layer in gated_layers(model)]
        if fixed and all(fixed):
            size = (3, *data.images.shape[1:3])
            weights = {layer.name: layer.conv for layer in count_macs(model, size).layers}
            self._controller = DensityController(model, weights, config.target, config.anneal)

    def state(self) -> dict[str, Any]:
        """Everything that changes while the run goes on."""
        return {
            "config": asdict(self.config),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "correction": self._controller.correction if self._controller else 0.0,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = state["epoch"]
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        if self._controller:
            self._controller.correction = state["correction"]

    def train_epoch(self, show: bool = False) -> dict[str, float]:
        """One pass over the training pictures; returns loss, accuracy, seconds and density."""
        self.model.train()
        started = time.monotonic()
        steps = len(self._batches)
        loss_sum = torch.zeros(())
        correct = torch.zeros((), dtype=torch.long)
        title = f"epoch {self.epoch + 1}/{self.config.epochs}"
        bar = tqdm(self._batches, title, leave=False, disable=None if show else True)
        for step, batch in enumerate(bar):
            progress = (self.epoch + step / steps) / self.config.epochs
            loss, scores = self._step(batch, progress)
            loss_sum += loss
            correct += (scores.argmax(1) == batch[1]).sum()
        self.epoch += 1
        record = {
            "epoch": self.epoch,
            "seconds": round(time.monotonic() - started, 1),
            "train_loss": round(float(loss_sum) / steps, 4),
            "train_accuracy": round(float(correct) / (steps * self.config.batch_size), 4),
        }
        if self._controller:
            record["train_density"] = round(self._controller.density, 4)
            record["correction"] = round(self._controller.correction, 4)
        return record

    def _step(self, batch: Batch, progress: float) -> tuple[torch.Tensor, torch.Tensor]:
        if self._controller:
            self._controller.before_step(progress)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.config, progress)
        with autocast(self.config.precision):
            scores = self.model(batch[0])
        loss = self._loss(scores.float(), batch)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        if self._controller:
            self._controller.after_step()
        return loss.detach(), scores.detach()

    def _loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        pictures, labels = batch
        loss = functional.cross_entropy(scores, labels)
        if self._teacher is None or self.config.distill == 0:
            return loss
        temperature = self.config.temperature
        with torch.no_grad(), autocast(self.config.precision):
            wanted = self._teacher(pictures).float()
        soft = functional.kl_div(
            functional.log_softmax(scores / temperature, dim=1),
            functional.log_softmax(wanted / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        weight = self.config.distill
        return (1 - weight) * loss + weight * temperature**2 * soft


def autocast(precision: str) -> torch.autocast:
    """bf16 autocast, or nothing at all for fp32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def validate(
    model: nn.Module, data: LabelledImages, normalizer: Normalizer, precision: str = "fp32"
) -> tuple[float, float, MacsReport]:
    """Accuracy, mean loss and MACs of the model in evaluation mode on all of `data`."""
    model.eval()
    correct = 0
    loss = 0.0
    report = count_macs(model, (3, *data.images.shape[1:3]))
    recorder = MaskRecorder(model)
    with recorder, autocast(precision):
        for pictures, labels in plain_batches(data, normalizer):
            scores = model(pictures).float()
            correct += int((scores.argmax(1) == labels).sum())
            loss += float(functional.cross_entropy(scores, labels, reduction="sum"))
    return correct / len(data), loss / len(data), recorder.fill(report)


def train(
    run: Run, held_out: LabelledImages, normalizer: Normalizer, folder: Path, fixed: dict[str, Any]
) -> None:
    """Train to the end; each epoch replaces `checkpoint.pt` and adds a line to `log.jsonl`.

    `fixed` is stored beside the run's state: the network, its gates, classes and normalisation.
    """
    log = folder / "log.jsonl"
    while run.epoch < run.config.epochs:
        record: dict[str, Any] = run.train_epoch(show=True)
        accuracy, loss, macs = validate(run.model, held_out, normalizer, run.config.precision)
        record |= {"val_accuracy": round(accuracy, 4), "val_loss": round(loss, 4)}
        if macs.layers:
            record["cut"] = round(macs.cut, 4)
            record["densities"] = [round(layer.density, 3) for layer in macs.layers]
        write_checkpoint(folder / "checkpoint.pt", fixed | run.state())
        with log.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
        print(json.dumps(record), flush=True)
