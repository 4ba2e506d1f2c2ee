"""One training run: the model, its optimiser and its gates, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from sluice_training.batches import AugmentedBatches, Batch, Normalizer, mix_pairs
from sluice_training.block_gates import BlockGate, gated_blocks
from sluice_training.budget import Budget
from sluice_training.config import RunConfig, learning_rate
from sluice_training.controller import Controller
from sluice_training.data import ImageSet
from sluice_training.density import DensityController
from sluice_training.int8 import Int8
from sluice_training.lccl import Gate, gated_layers
from sluice_training.macs import MacsReport, count_macs
from sluice_training.nets import fold_norms
from sluice_training.photographs import CroppedBatches, Photographs
from sluice_training.stages import EDGE
from sluice_training.step_graph import StepGraph
from sluice_training.tape import Tape
from sluice_training.time_budget import TimeBudget

CPU = torch.device("cpu")


class Run:
    """A model in training; `state()` and `restore()` carry it over an interruption exactly.

    The model's layers and the teacher's move to `device`; the teacher's batch norms are folded.
    data: the training images, of the size that the network is evaluated at.
    table: the teacher's scores of each, float32 [N, classes], instead of the teacher itself.
    graphed: capture the step as a CUDA graph, on a CUDA device.
    """

    def __init__(
        self,
        model: nn.Module,
        config: RunConfig,
        data: ImageSet,
        normalizer: Normalizer,
        teacher: nn.Module | None = None,
        device: torch.device = CPU,
        graphed: bool = False,
        table: torch.Tensor | None = None,
    ) -> None:
        self.model = model.to(device, memory_format=torch.channels_last)
        self.config = config
        self.device = device
        self.epoch = 0
        if teacher is not None:
            teacher = fold_norms(teacher.eval()).to(device, memory_format=torch.channels_last)
        self._teacher = teacher
        self._table = None if table is None else table.to(device)
        self._generator = torch.Generator().manual_seed(config.seed)
        self._batches = make_batches(data, normalizer.to(device), config, device)
        self._own_size = data.input_size[1]
        self._size: int | None = None
        self._int8 = Int8(model) if config.int8 else None
        self._classes = len(data.classes)
        self._optimizer = make_optimizer(model, config)
        self._sums = torch.zeros(2, device=device)
        self._graphed = graphed
        self._graph: StepGraph | None = None
        for _, layer in gated_layers(model):
            layer.gate.detached = config.detach_branches
        for _, block in gated_blocks(model):
            block.gate.attached = config.attach_branches
        self._controller = make_controller(model, config, data.input_size)

    def state(self) -> dict[str, Any]:
        """Everything that changes while the run goes on; it fits any device."""
        optimizer = self._optimizer.state_dict()
        groups = [
            group | {"lr": float(group["lr"]), "fused": None} for group in optimizer["param_groups"]
        ]
        return {
            "config": asdict(self.config),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": optimizer | {"param_groups": groups},
            "generator": self._generator.get_state(),
            "correction": self._controller.state(),
            "int8": self._int8.state() if self._int8 else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.epoch = state["epoch"]
        self.model.load_state_dict(state["model"])
        kept = [(group["lr"], group["fused"]) for group in self._optimizer.param_groups]
        self._optimizer.load_state_dict(state["optimizer"])
        for group, (rate, is_fused) in zip(self._optimizer.param_groups, kept):
            group |= {"lr": rate, "fused": is_fused}
        self._generator.set_state(state["generator"])
        self._controller.restore(state["correction"])
        if self._int8:
            self._int8.restore(state["int8"])

    @property
    def precision(self) -> str:
        """What the newest epoch was computed in; rounding to int8 is simulated in fp32."""
        return "fp32" if self._int8 and self._int8.on else self.config.precision

    def train_epoch(self, show: bool = False) -> dict[str, float]:
        """One pass over the training images; returns loss, accuracy, seconds and density."""
        self.model.train()
        started, computed = time.monotonic(), time.thread_time()
        self._choose_form()
        tape = self._draw_tape()
        title = f"epoch {self.epoch + 1}/{self.config.epochs}"
        steps = self._replay(tape) if self._graphed else self._play(tape)
        self._controller.before_epoch(self._generator)
        for _ in tqdm(steps, title, tape.steps, leave=False, disable=None if show else True):
            pass
        self.epoch += 1
        loss, correct = self._sums.tolist()
        self._sums.zero_()
        return {
            "epoch": self.epoch,
            "seconds": round(time.monotonic() - started, 1),
            "cpu_seconds": round(time.thread_time() - computed, 1),
            "train_loss": round(loss / tape.steps, 4),
            "train_accuracy": round(correct / tape.chosen.numel(), 4),
            **self._controller.record(),
        }

    def after_validation(self, macs: MacsReport) -> dict[str, float]:
        """Let the gates' controller know the epoch's densities in evaluation mode.

        Returns what the log says of them besides.
        """
        # While the density still falls, an epoch's mean and its end are not the same thing.
        settled = (self.epoch - 1) / self.config.epochs >= self.config.anneal
        wanted = self.config.test_density and settled
        densities = [layer.density for layer in macs.layers] if wanted else []
        self._controller.after_epoch(len(self._batches), densities)
        return self._controller.validated(macs)

    def _choose_form(self) -> None:
        """Set the size of the epoch's images and what it simulates; a captured step is of one form."""
        stages = self.config.size_stages
        progress = self.epoch / self.config.epochs
        size = self._own_size if stages is None else int(stages.at(progress))
        if size != self._size:
            self._size, self._graph = size, None
        simulated = progress >= 1 - self.config.int8 - EDGE
        if self._int8 and simulated != self._int8.on:
            self._int8.switch(simulated)
            self._graph = None

    def _draw_tape(self) -> Tape:
        steps = len(self._batches)
        chosen = self._batches.draw_order(self._generator)
        shifts, shares, rates, settings, wanted = [], [], [], [], []
        for step in range(steps):
            progress = (self.epoch + step / steps) / self.config.epochs
            shifts.append(self._batches.draw_shifts(self._generator))
            shares.append(self._draw_share())
            rates.append(learning_rate(self.config, progress))
            scheduled = self._controller.schedule(progress)
            settings.append(scheduled[0])
            wanted.append(scheduled[1])
        return Tape(
            chosen,
            torch.stack(shifts),
            torch.tensor(shares),
            torch.tensor(rates, dtype=torch.float64),
            torch.tensor(settings),
            torch.tensor(wanted),
        )

    def _draw_share(self) -> float:
        """How much of the other image a batch gets; 0 where it is not mixed."""
        mixed = self.config.mixup
        if mixed == 0 or float(torch.rand((), generator=self._generator)) >= mixed:
            return 0.0
        return float(torch.rand((), generator=self._generator))

    def _play(self, tape: Tape) -> Iterator[None]:
        # The rate and the share are read on the CPU, the rest where the model is.
        moved = tape.to(self.device)._replace(shares=tape.shares, rates=tape.rates)
        for step in range(tape.steps):
            row = moved.row(step)
            self._step(row, mixed=bool(row.shares > 0))
            yield

    def _replay(self, tape: Tape) -> Iterator[None]:
        if self._graph is None:
            mixed = self.config.mixup > 0
            self._graph = StepGraph(
                lambda row: self._step(row, mixed), self._changing, tape, self.device
            )
        return self._graph.replay(tape)

    def _changing(self) -> list[torch.Tensor]:
        momenta = [
            state["momentum_buffer"]
            for state in self._optimizer.state.values()
            if state.get("momentum_buffer") is not None
        ]
        model = [*self.model.parameters(), *self.model.buffers()]
        controlled = self._controller.changing()
        ranges = self._int8.changing() if self._int8 else []
        return [*(tensor.data for tensor in model), *momenta, *controlled, *ranges, self._sums]

    def _step(self, row: Tape, mixed: bool) -> None:
        batch = self._batches.batch(row.chosen, row.shifts, self._size)
        labels = batch[1]
        share = row.shares.to(self.device) if mixed else None
        if share is not None:
            batch = mix_pairs(batch, self._classes, share)
            labels = batch[1].argmax(1)
        wanted = self._wanted(batch[0], row.chosen, share)
        self._controller.before_step(row.settings)
        self._set_rate(row.rates)
        with autocast(self.precision, self.device):
            scores = self.model(batch[0])
        loss = self._loss(scores.float(), batch[1], wanted)
        penalty = self._controller.penalty(row.wanted)
        loss = loss if penalty is None else loss + penalty
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._controller.after_step(row.wanted)
        correct = (scores.detach().argmax(1) == labels).sum()
        self._sums += torch.stack([loss.detach(), correct.float()])

    def _set_rate(self, rate: torch.Tensor) -> None:
        for group in self._optimizer.param_groups:
            factor = group.get("factor", 1.0)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].copy_(rate * factor)
            else:
                group["lr"] = float(rate) * factor

    def _wanted(
        self, images: torch.Tensor, chosen: torch.Tensor, share: torch.Tensor | None
    ) -> torch.Tensor | None:
        """The teacher's log-probabilities for a batch at the temperature, [batch, classes].

        share: how the batch was mixed in pairs.
        """
        if self.config.distill == 0 or (self._teacher is None and self._table is None):
            return None
        temperature = self.config.temperature
        if self._table is None:
            with torch.no_grad(), autocast(self.config.precision, self.device):
                scores = self._teacher(images).float()
            return functional.log_softmax(scores / temperature, dim=1)
        wanted = functional.log_softmax(self._table[chosen] / temperature, dim=1)
        if share is None:
            return wanted
        # A teacher that never sees mixed images is mixed itself.
        mixed = torch.lerp(wanted.exp(), wanted.exp().flip(0), share)
        return mixed.clamp(min=torch.finfo(mixed.dtype).tiny).log()

    def _loss(
        self, scores: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor | None
    ) -> torch.Tensor:
        loss = functional.cross_entropy(scores, labels)
        if wanted is None:
            return loss
        temperature, weight = self.config.temperature, self.config.distill
        soft = functional.kl_div(
            functional.log_softmax(scores / temperature, dim=1),
            wanted,
            reduction="batchmean",
            log_target=True,
        )
        rest = 1.0 if self.config.distill_adds else 1 - weight
        return rest * loss + weight * temperature**2 * soft


def make_batches(
    data: ImageSet, normalizer: Normalizer, config: RunConfig, device: torch.device
) -> AugmentedBatches | CroppedBatches:
    """The training images' batches, augmented as suits them."""
    if isinstance(data, Photographs):
        return CroppedBatches(data, normalizer, config.batch_size, config.least_crop, device)
    return AugmentedBatches(data, normalizer, config.batch_size, device=device)


def make_controller(model: nn.Module, config: RunConfig, size: tuple[int, int, int]) -> Controller:
    """What steers the model's gates: a budget for binary ones, else thresholds that can be set.

    size: of an input image, [C, H, W].
    """
    fixed = [layer.gate.spec.slope is not None for _, layer in gated_layers(model)]
    blocks = list(gated_blocks(model))
    if not blocks and not (fixed and all(fixed)):
        return Controller()
    weights = {layer.name: layer.conv for layer in count_macs(model, size).layers}
    if blocks:
        return (TimeBudget if config.budget_ms else Budget)(model, weights, config)
    return DensityController(
        model, weights, config.target, config.anneal, densities=config.densities
    )


def make_optimizer(model: nn.Module, config: RunConfig) -> torch.optim.SGD:
    """SGD with momentum; gates are a group of their own where they learn otherwise.

    Block gates have a weight decay of their own: one draws their densities to a half.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    has_blocks = any(isinstance(module, BlockGate) for module in model.modules())
    groups: list[dict[str, Any]] = [{"params": trained}]
    if has_blocks or config.gate_lr != 1.0:
        gates = {
            id(parameter)
            for module in model.modules()
            if isinstance(module, (Gate, BlockGate))
            for parameter in module.parameters()
        }
        groups = [
            {"params": [p for p in trained if id(p) not in gates]},
            {"params": [p for p in trained if id(p) in gates], "factor": config.gate_lr},
        ]
        if has_blocks:
            groups[1]["weight_decay"] = config.gate_decay
    # A captured step reads the rate on the device.
    device = trained[0].device
    on_cuda = device.type == "cuda"
    for group in groups:
        group["lr"] = torch.tensor(config.peak_lr, device=device) if on_cuda else config.peak_lr
    return torch.optim.SGD(
        groups,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=not config.plain_momentum,
        fused=True if on_cuda else None,
    )


def autocast(precision: str, device: torch.device = CPU) -> torch.autocast:
    """bf16 autocast, or nothing at all for fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
