"""The table of runs: networks, data, gates, seeds, and what each one starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from sluice_training.teacher import LITE0

CIFAR10, CIFAR100, IMAGENETTE = "cifar10", "cifar100", "imagenette"
# CPU seconds per epoch on one core of a Zen 4 EPYC with the fused operators, for ResNet-20 on 45,000
# images; networks of CIFAR in proportion to their blocks.
SECONDS = {"dense": 77.0, "kxk-one": 102.0, "1x1": 110.0, "block": 95.0}
TEACHER_SECONDS = 22.0
# The same for a network on Imagenette, most epochs at 128 pixels; its teacher is a table.
LARGE_SECONDS = {"resnet18": 500.0, "resnet50": 1300.0}
# Epochs of a dense network from scratch, and of what goes on from it.
START = {CIFAR10: 200, CIFAR100: 200, IMAGENETTE: 60}
REFINE = {CIFAR10: 100, CIFAR100: 100, IMAGENETTE: 40}
# Deeper networks than ResNet-20 fit every training image as it is: dense ones see mixed pairs.
MIXED = ("--mixup", "0.5")
# For gated networks and their controls.
DISTILLED = ("--warmup", "0.05", "--distill", "0.5", "--peak-lr", "0.05")
BLOCKS = ("--gate", "block", "--gate-lr", "2")
# LCCLs: closed by an annealed threshold.
LCCLS = ("--anneal", "0.4", "--fit-gates", "2000", "--test-density", "--detach-branches")
# Trained small and finished at full size. EfficientNet-Lite0 scores each image once: on each crop it
# would take a third of a step's time.
SMALL_FIRST, SMALLER = ("--sizes", "128,224@0.8"), ("--sizes", "128,224@0.5")
LARGE_TEACHER = ("--distill", "0.5", "--teacher-table")
LARGE = {
    "resnet18": ("--batch-size", "128", "--peak-lr", "0.2"),
    "resnet50": ("--batch-size", "64", "--peak-lr", "0.1"),
}
# LASNet's grains by stage: tiles where Winograd computes, positions where images are 7x7.
TILES = ("--grains", "4,4,2,1")


@dataclass(frozen=True)
class PlannedRun:
    """One line of the plan; `options` go to train.py as they are."""

    name: str
    net: str
    data: str
    epochs: int
    options: tuple[str, ...]
    gate: str = "dense"
    warm_start: str | None = None
    teacher: str | None = None

    @property
    def needs(self) -> list[str]:
        """The runs that must be done before this one; LITE0 is installed."""
        return sorted({name for name in (self.warm_start, self.teacher) if name} - {LITE0})


def dense(net: str, data: str, seed: int = 1) -> PlannedRun:
    """A dense network from scratch."""
    epochs = START[data]
    options = ("--net", net, "--epochs", str(epochs), "--seed", str(seed))
    name = _name(net, data, "dense", seed)
    if data == IMAGENETTE:
        options += (*SMALL_FIRST, *LARGE_TEACHER, *LARGE[net])
        return PlannedRun(name, net, data, epochs, options, teacher=LITE0)
    options += () if net == "resnet20" else MIXED
    return PlannedRun(name, net, data, epochs, options)


def refined(
    net: str,
    data: str,
    what: str,
    gate: str = "dense",
    seed: int = 1,
    extra: tuple[str, ...] = (),
) -> PlannedRun:
    """A run that goes on from the dense one of the plan with a teacher, gated or not."""
    epochs = REFINE[data]
    source = dense(net, data, seed).name
    options = ("--net", net, "--epochs", str(epochs), "--seed", str(seed), *DISTILLED)
    if data == IMAGENETTE:
        options += (*SMALLER, "--teacher-table", "--batch-size", "64")
    teacher = LITE0 if data == IMAGENETTE else source
    name = _name(net, data, what, seed)
    return PlannedRun(name, net, data, epochs, (*options, *extra), gate, source, teacher)


def control(net: str, data: str, seed: int = 1) -> PlannedRun:
    """The dense network trained on as gated ones are, to compare them with."""
    return refined(net, data, "control", seed=seed)


def block_gated(
    net: str, data: str, density: float, seed: int = 1, grains: tuple[str, ...] = ()
) -> PlannedRun:
    """A gate per block, by default per position."""
    what = "tiles" if grains else "block"
    extra = (*BLOCKS, "--target", str(density), *grains)
    return refined(net, data, f"{what}_d{round(100 * density)}", "block", seed, extra)


def lccl(net: str, density: float, gate: str, seed: int = 1) -> PlannedRun:
    """One of the paper's own forms: K maps of a 1x1 branch, or a shared 3x3 filter."""
    extra = ("--gate", gate, "--target", str(density), *MIXED, *LCCLS)
    what = f"{gate.replace('-', '_')}_d{round(100 * density)}"
    return refined(net, CIFAR10, what, gate, seed, extra)


def paper(net: str) -> PlannedRun:
    """The paper's own gate, ReLU over a learned batch norm, from scratch, by steps of the rate."""
    epochs = START[CIFAR10]
    options = ("--net", net, "--epochs", str(epochs), "--seed", "1", "--gate", "kxk-one")
    options += ("--gate-function", "relu", "--gate-norm", "learned", "--schedule", "step")
    options += ("--peak-lr", "0.1", "--warmup", "0.01", "--weight-decay", "1e-4")
    return PlannedRun(_name(net, CIFAR10, "paper"), net, CIFAR10, epochs, options, "kxk-one")


def compared(net: str, data: str, seed: int = 1) -> tuple[PlannedRun, ...]:
    """A third of the MACs gone, half of them, and the control."""
    return (
        block_gated(net, data, THIRD, seed),
        block_gated(net, data, HALF, seed),
        control(net, data, seed),
    )


def _name(net: str, data: str, what: str, seed: int = 1) -> str:
    parts = [net, *([] if data == CIFAR10 else [data]), what]
    return "_".join(parts) + (f"_seed{seed}" if seed != 1 else "")


# Targets of the budget's loss, which leaves densities above them: meant to cut a third and half.
# Gated convolutions are 99% of the MACs on CIFAR; branches of a block take 0.8 to 3%.
THIRD, HALF = 0.55, 0.38
# In the order of what is asked for first; side by side, the longest chain comes first. Shared 3x3
# maps of LCCLs cost 4% of the MACs, so that a density of 0.75 cuts 21% and 0.64 cuts 32%. A 1x1
# branch with K maps costs 11%, so that the same cuts take 0.68 and 0.57.
PLAN: tuple[PlannedRun, ...] = (
    dense("resnet20", CIFAR10),
    *compared("resnet20", CIFAR10),
    dense("resnet56", CIFAR10),
    *compared("resnet56", CIFAR10),
    dense("resnet18", IMAGENETTE),
    block_gated("resnet18", IMAGENETTE, THIRD, grains=TILES),
    block_gated("resnet18", IMAGENETTE, HALF, grains=TILES),
    block_gated("resnet18", IMAGENETTE, HALF),
    control("resnet18", IMAGENETTE),
    dense("resnet20", CIFAR10, seed=2),
    *compared("resnet20", CIFAR10, seed=2),
    dense("resnet32", CIFAR10),
    *compared("resnet32", CIFAR10),
    dense("resnet110", CIFAR10),
    *compared("resnet110", CIFAR10),
    dense("resnet56", CIFAR100),
    *compared("resnet56", CIFAR100),
    lccl("resnet20", 0.75, "kxk-one"),
    lccl("resnet20", 0.68, "1x1"),
    lccl("resnet32", 0.64, "kxk-one"),
    lccl("resnet32", 0.57, "1x1"),
    lccl("resnet110", 0.62, "kxk-one"),
    lccl("resnet110", 0.55, "1x1"),
    paper("resnet20"),
    dense("resnet50", IMAGENETTE),
    block_gated("resnet50", IMAGENETTE, HALF, grains=TILES),
    control("resnet50", IMAGENETTE),
)


def ready(planned: PlannedRun, done: Mapping[str, int]) -> bool:
    """Whether a run is unfinished and everything it starts from is done."""
    by_name = {run.name: run for run in PLAN}
    needed = all(done[name] >= by_name[name].epochs for name in planned.needs)
    return needed and done[planned.name] < planned.epochs


def seconds_per_epoch(planned: PlannedRun, logs: Mapping[str, list[dict[str, Any]]]) -> float:
    """The median of the run's own epochs, else of runs alike, else the table's estimate."""
    alike = [run for run in PLAN if (run.net, run.data == IMAGENETTE, run.gate, run.teacher is None)
        == (planned.net, planned.data == IMAGENETTE, planned.gate, planned.teacher is None)
    ]  # fmt: skip
    for group in ([planned], alike):
        times = [
            record.get("cpu_seconds", record["seconds"])
            for run in group
            for record in logs.get(run.name, [])[-20:]
        ]
        if times:
            return median(times)
    if planned.data == IMAGENETTE:
        return LARGE_SECONDS[planned.net]
    blocks = (int(planned.net.removeprefix("resnet")) - 2) / 18
    return blocks * (SECONDS[planned.gate] + (TEACHER_SECONDS if planned.teacher else 0))


def hours_left(planned: PlannedRun, logs: Mapping[str, list[dict[str, Any]]]) -> float:
    """Hours on a free core of the kind that the logs or the table speak of."""
    records = logs.get(planned.name, [])
    left = planned.epochs - (records[-1]["epoch"] if records else 0)
    return max(left, 0) * seconds_per_epoch(planned, logs) / 3600


def longest_first(logs: Mapping[str, list[dict[str, Any]]]) -> list[PlannedRun]:
    """The plan, a run with the most hours of its own and of what waits for it first."""
    chain: dict[str, float] = {}
    for planned in reversed(PLAN):
        waiting = [chain[run.name] for run in PLAN if planned.name in run.needs]
        chain[planned.name] = hours_left(planned, logs) + max(waiting, default=0.0)
    return sorted(PLAN, key=lambda planned: -chain[planned.name])
