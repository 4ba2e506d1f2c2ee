"""What defines a training run, and its learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from sluice_training.errors import TrainingError
from sluice_training.stages import Stages, parse_stages

SCHEDULES = ("cosine", "step")
PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True)
class RunConfig:
    """What defines a run; stored in its checkpoint, so that a resumed run goes on alike.

    peak_lr, schedule, warmup: the learning rate climbs to its peak over the share `warmup` of the
        run; then `cosine` falls to 0 along half a cosine, `step` is divided by 10 at the shares
        `steps` of the run (He et al., 2016, section 4.2: 32,000 and 48,000 of 64,000 steps).
    sizes: of the training images in pixels, as in "128,224@0.8": 128, and 224 from 0.8 of the run
        on. The last is that of validation; empty where images have their own size, or 224.
    least_crop: the least share of a photograph's area that a training crop holds.
    plain_momentum: momentum as it is, not Nesterov's.
    detach_branches: LCCL branches pass no gradient on to the layers before them. That gradient
        explodes from branch to branch while the density falls: docs/recipes.md, "Detached branches".
        The branches of block gates never pass it on unless `attach_branches`.
    gate_lr: learning rate of the LCCL branches, as a multiple of the network's.
    gate_decay: weight decay of block gates.
    start_density: of block gates under noise, before the first step; 0 for the target's.
    mask_temperature: of the sigmoid whose gradient block gates' masks have, over the run as `sizes`;
        "5..0.1" falls exponentially.
    target: wanted mean density of the gates, weighted by MACs; unused in a dense run.
    densities: wanted density of each gated layer, in the network's order; empty where all layers
        share one threshold.
    anneal: share of the run over which the density falls to what is wanted.
    budget: weight in the loss of what block gates' densities are off by.
    budget_ms: share of the dense time that block gates are held at instead, and the costs that predict
        it, as `0.8@avx2-int8`; empty where they are held at a density.
    relax: share of the run over which the bounds of a single block's density relax.
    noise_off: share of the run, its last, in which block gates' masks are drawn without noise.
    int8: share of the run, its last, in which the network computes as if it were quantised, in fp32.
    test_density: steer by the density in evaluation mode, which lies above that of the batches.
    distill: weight of the teacher's soft labels in the loss, 0 without a teacher. That of the true
        labels is the rest, or 1 where the teacher's `distill_adds`.
    teacher_table: the teacher scores each training image once, as in evaluation, and not each crop.
    mixup: share of the batches whose images and labels are mixed in pairs (Zhang et al., 2018).
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
    mixup: float = 0.0
    seed: int = 1
    precision: str = "bf16"
    schedule: str = "cosine"
    gate_lr: float = 1.0
    detach_branches: bool = False
    test_density: bool = False
    densities: tuple[float, ...] = ()
    budget: float = 10.0
    relax: float = 0.33
    noise_off: float = 0.3
    sizes: str = ""
    least_crop: float = 0.35
    steps: str = "0.5,0.75"
    plain_momentum: bool = False
    attach_branches: bool = False
    gate_decay: float = 0.0
    start_density: float = 0.0
    mask_temperature: str = "1"
    distill_adds: bool = False
    teacher_table: bool = False
    int8: float = 0.0
    budget_ms: str = ""

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise TrainingError(f"schedule '{self.schedule}': use one of {', '.join(SCHEDULES)}")
        if self.precision not in PRECISIONS:
            raise TrainingError(f"precision '{self.precision}': use one of {', '.join(PRECISIONS)}")
        for density in (self.target, *self.densities):
            if not 0 < density < 1:
                raise TrainingError(f"density {density}: must lie between 0 and 1")
        for name in ("relax", "noise_off", "int8"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} {getattr(self, name)}: must be a share of the run")
        if not 0 < self.least_crop <= 1:
            raise TrainingError(f"least_crop {self.least_crop}: must be a share of the image")
        if not 0 <= self.start_density < 1:
            raise TrainingError(f"start_density {self.start_density}: must lie between 0 and 1")
        if self.size_stages is not None and self.size_stages.falls:
            raise TrainingError(f"sizes '{self.sizes}': sizes change in steps, as in 128,224@0.8")
        parse_stages("mask_temperature", self.mask_temperature)
        rate_steps(self)

    @property
    def size_stages(self) -> Stages | None:
        """The sizes of the training images over the run; None for one that does not change."""
        return parse_stages("sizes", self.sizes, int) if self.sizes else None


def stored_config(stored: dict[str, Any]) -> RunConfig:
    """A checkpoint's configuration; fields that it was written without take their defaults."""
    known = {field.name for field in fields(RunConfig)}
    unknown = sorted(set(stored) - known)
    if unknown:
        raise TrainingError(f"option '{unknown[0]}' of the checkpoint is unknown; update sluice")
    return RunConfig(**stored | {"densities": tuple(stored.get("densities", ()))})


def rate_steps(config: RunConfig) -> list[float]:
    """The shares of the run at which the schedule `step` divides the learning rate by 10."""
    try:
        return [float(step) for step in config.steps.split(",")]
    except ValueError as error:
        raise TrainingError(f"steps '{config.steps}': write shares of the run as 0.5,0.75") from error


def learning_rate(config: RunConfig, progress: float) -> float:
    """The network's learning rate when the share `progress` of the run is done."""
    if progress < config.warmup:
        return config.peak_lr * progress / config.warmup
    if config.schedule == "step":
        return config.peak_lr * 0.1 ** sum(progress >= step for step in rate_steps(config))
    done = (progress - config.warmup) / (1 - config.warmup)
    return config.peak_lr * 0.5 * (1 + math.cos(math.pi * done))
