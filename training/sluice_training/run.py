"""One training run: the model, its optimiser and its gates, step by step."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from sluice_training.batches import AugmentedBatches, Batch, Normalizer, mix_pairs
from sluice_training.config import RunConfig, learning_rate
from sluice_training.data import LabelledImages
from sluice_training.density import DensityController
from sluice_training.lccl import Gate, gated_layers
from sluice_training.macs import MacsReport, count_macs

CPU = torch.device("cpu")


class Run:
    """A model in training; `state()` and `restore()` carry it over an interruption exactly.

    The model's layers and the teacher's move to `device`.
    """

    def __init__(
        self,
        model: nn.Module,
        config: RunConfig,
        data: LabelledImages,
        normalizer: Normalizer,
        teacher: nn.Module | None = None,
        device: torch.device = CPU,
    ) -> None:
        self.model = model.to(device, memory_format=torch.channels_last)
        self.config = config
        self.device = device
        self.epoch = 0
        if teacher is not None:
            teacher = teacher.to(device, memory_format=torch.channels_last).eval()
        self._teacher = teacher
        self._generator = torch.Generator().manual_seed(config.seed)
        self._batches = AugmentedBatches(
            data, normalizer.to(device), config.batch_size, self._generator, device=device
        )
        self._classes = len(data.classes)
        self._optimizer = make_optimizer(model, config)
        self._controller: DensityController | None = None
        fixed = [layer.gate.spec.slope is not None for _, layer in gated_layers(model)]
        if fixed and all(fixed):
            size = (3, *data.images.shape[1:3])
            weights = {layer.name: layer.conv for layer in count_macs(model, size).layers}
            self._controller = DensityController(
                model, weights, config.target, config.anneal, densities=config.densities
            )

    def state(self) -> dict[str, Any]:
        """Everything that changes while the run goes on."""
        return {
            "config": asdict(self.config),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "correction": self._controller.state() if self._controller else 0.0,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = state["epoch"]
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        if self._controller:
            self._controller.restore(state["correction"])

    def train_epoch(self, show: bool = False) -> dict[str, float]:
        """One pass over the training pictures; returns loss, accuracy, seconds and density."""
        self.model.train()
        started, computed = time.monotonic(), time.process_time()
        steps = len(self._batches)
        loss_sum = torch.zeros((), device=self.device)
        correct = torch.zeros((), dtype=torch.long, device=self.device)
        title = f"epoch {self.epoch + 1}/{self.config.epochs}"
        bar = tqdm(self._batches, title, leave=False, disable=None if show else True)
        for step, batch in enumerate(bar):
            progress = (self.epoch + step / steps) / self.config.epochs
            batch = self._mixed(batch)
            loss, scores = self._step(batch, progress)
            loss_sum += loss
            labels = batch[1].argmax(1) if batch[1].is_floating_point() else batch[1]
            correct += (scores.argmax(1) == labels).sum()
        self.epoch += 1
        record = {
            "epoch": self.epoch,
            "seconds": round(time.monotonic() - started, 1),
            "cpu_seconds": round(time.process_time() - computed, 1),
            "train_loss": round(float(loss_sum) / steps, 4),
            "train_accuracy": round(float(correct) / (steps * self.config.batch_size), 4),
        }
        if self._controller:
            record["train_density"] = round(self._controller.density, 4)
            record["correction"] = round(self._controller.correction, 4)
        return record

    def after_validation(self, macs: MacsReport) -> None:
        """Let the gates' controller know the epoch's densities in evaluation mode."""
        if self._controller:
            # While the density still falls, an epoch's mean and its end are not the same thing.
            settled = (self.epoch - 1) / self.config.epochs >= self.config.anneal
            wanted = self.config.test_density and settled
            densities = [layer.density for layer in macs.layers] if wanted else []
            self._controller.after_epoch(densities)

    def _mixed(self, batch: Batch) -> Batch:
        share = self.config.mixup
        if share == 0 or float(torch.rand((), generator=self._generator)) >= share:
            return batch
        return mix_pairs(batch, self._classes, self._generator)

    def _step(self, batch: Batch, progress: float) -> tuple[torch.Tensor, torch.Tensor]:
        if self._controller:
            self._controller.before_step(progress)
        rate = learning_rate(self.config, progress)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        with autocast(self.config.precision, self.device):
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
        with torch.no_grad(), autocast(self.config.precision, self.device):
            wanted = self._teacher(pictures).float()
        temperature, weight = self.config.temperature, self.config.distill
        soft = functional.kl_div(
            functional.log_softmax(scores / temperature, dim=1),
            functional.log_softmax(wanted / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        return (1 - weight) * loss + weight * temperature**2 * soft


def make_optimizer(model: nn.Module, config: RunConfig) -> torch.optim.SGD:
    """SGD with Nesterov momentum; the gates are a group of their own where their rate differs."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": trained}]
    if config.gate_lr != 1.0:
        gates = {
            id(parameter)
            for module in model.modules()
            if isinstance(module, Gate)
            for parameter in module.parameters()
        }
        groups = [
            {"params": [p for p in trained if id(p) not in gates]},
            {"params": [p for p in trained if id(p) in gates], "factor": config.gate_lr},
        ]
    return torch.optim.SGD(
        groups,
        lr=config.peak_lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=True,
    )


def autocast(precision: str, device: torch.device = CPU) -> torch.autocast:
    """bf16 autocast, or nothing at all for fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
