"""The table of runs: networks, data, gates, seeds, and what each one starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

# CPU seconds per epoch on one core of a Zen 4 EPYC with the fused operators, for ResNet-20 on 45,000
# images; other networks in proportion to their blocks.
SECONDS = {
    "dense": 77.0,
    "kxk-one": 102.0,
    "1x1": 110.0,
    "1x1-one": 105.0,
    "tile": 100.0,
    "block": 95.0,
}
TEACHER_SECONDS = 22.0
# By this end a file of models/ is told from a run.
EXPORTED = ".onnx"
# Epochs of a dense network from scratch, and of what goes on from it.
START, REFINE = 100, 40
# Trained before the others, for fewer epochs.
SHORTER = {("resnet56", "cifar100"): 50}
DISTILLED = ("--warmup", "0.05", "--mixup", "0.5", "--distill", "0.5")
GATED = (*DISTILLED, "--anneal", "0.4", "--fit-gates", "2000", "--test-density", "--detach-branches")
# Peak learning rates: the more of a network is skipped, the more it has to learn anew. REFINED is for
# a dense network that is trained on. THIRD is for up to a third of the MACs cut: in 40 epochs deeper
# networks do not win back what the rate of ResNet-20 costs them. Half a cut takes more epochs, HALF.
REFINED_RATE, HALF_RATE = "0.02", "0.1"
THIRD_RATE = {"resnet20": "0.05", "resnet32": "0.02", "resnet56": "0.02"}
HALF = {"resnet20": 90, "resnet32": 120, "resnet56": 90}
# Gates per block, by the budget in the loss: no mixed pairs, and gates that learn twice as fast.
BLOCKS = ("--gate", "block", "--warmup", "0.05", "--distill", "0.5", "--peak-lr", "0.05", "--gate-lr", "2")
BLOCK_EPOCHS = 60


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
        """The runs that must be done before this one; exported files of models/ are there."""
        names = {name for name in (self.warm_start, self.teacher) if name}
        return sorted(name for name in names if not name.endswith(EXPORTED))


def dense(net: str, data: str, seed: int = 1) -> PlannedRun:
    """A dense network from scratch."""
    epochs = SHORTER.get((net, data), START)
    options = ("--net", net, "--epochs", str(epochs), "--seed", str(seed))
    # The deeper ones fit every training image as it is.
    options += () if net == "resnet20" else ("--mixup", "0.5")
    return PlannedRun(_name(net, data, f"dense_{epochs}", seed), net, data, epochs, options)


def refined(net: str, data: str) -> PlannedRun:
    """The dense network trained on, distilled from itself: the dense one of models/."""
    options = ("--net", net, "--epochs", str(REFINE), "--seed", "1", "--peak-lr", REFINED_RATE, *DISTILLED)
    source = dense(net, data).name
    return PlannedRun(_name(net, data, "refined"), net, data, REFINE, options, "dense", source, source)


def control(net: str, data: str, seed: int = 1) -> PlannedRun:
    """The dense network of models/ trained on as gated ones are, to compare them with."""
    options = ("--net", net, "--epochs", str(REFINE), "--seed", str(seed))
    options += ("--peak-lr", THIRD_RATE[net], *DISTILLED)
    name, source = _name(net, data, "control", seed), shipped(net, data)
    return PlannedRun(name, net, data, REFINE, options, "dense", source, source)


def gated(
    net: str,
    data: str,
    density: float,
    gate: str = "kxk-one",
    seed: int = 1,
    rate: str = "",
    epochs: int = REFINE,
    extra: tuple[str, ...] = (),
) -> PlannedRun:
    """A gated network that starts from the dense one of models/, distilled from it.

    rate: the peak, by default that of a third of the MACs.
    """
    options = ("--net", net, "--epochs", str(epochs), "--seed", str(seed), "--gate", gate, *GATED)
    options += ("--target", str(density), "--peak-lr", rate or THIRD_RATE[net], *extra)
    name = _name(net, data, f"{gate.replace('-', '_')}_d{round(100 * density)}", seed)
    source = shipped(net, data)
    return PlannedRun(name, net, data, epochs, options, gate, source, source)


def half_cut(net: str, gate: str, seed: int = 1) -> PlannedRun:
    """Half of the MACs gone."""
    density = 0.45 if gate == "kxk-one" else 0.39
    return gated(net, "cifar10", density, gate, seed, HALF_RATE, HALF[net])


def block_gated(net: str, data: str, density: float, seed: int = 1) -> PlannedRun:
    """A gate per block and position, from the dense network of the plan, distilled from it."""
    options = ("--net", net, "--epochs", str(BLOCK_EPOCHS), "--seed", str(seed), *BLOCKS)
    options += ("--target", str(density))
    name = _name(net, data, f"block_d{round(100 * density)}", seed)
    source = dense(net, data).name
    return PlannedRun(name, net, data, BLOCK_EPOCHS, options, "block", source, source)


def shipped(net: str, data: str) -> str:
    """The dense network of models/."""
    return f"{net}_dense_{data}{EXPORTED}"


def paper_control(net: str, data: str, seed: int = 1, epochs: int = START + REFINE) -> PlannedRun:
    """The paper's own gate, ReLU over a learned batch norm, from scratch, by steps of the rate."""
    options = ("--net", net, "--epochs", str(epochs), "--seed", str(seed), "--gate", "kxk-one")
    options += ("--gate-function", "relu", "--gate-norm", "learned", "--schedule", "step")
    options += ("--peak-lr", "0.1", "--warmup", "0.01", "--weight-decay", "1e-4")
    return PlannedRun(_name(net, data, "paper_relu", seed), net, data, epochs, options, "kxk-one")


def _name(net: str, data: str, what: str, seed: int = 1) -> str:
    parts = [net, *([] if data == "cifar10" else [data]), what]
    return "_".join(parts) + (f"_seed{seed}" if seed != 1 else "")


# The gated convolutions are 99% of the MACs. Shared 3x3 maps cost 4%, so that densities of 0.75, 0.64
# and 0.45 cut 21%, 32% and 50%. A 1x1 LCCL branch with K maps costs 11%, so that the same cuts take
# 0.68, 0.57 and 0.39. The loss leaves gates per block above their target: 0.55 is meant to cut a third
# and 0.38 half. The longest runs come first. CIFAR-100 comes near the end: it has to be read anew.
PLAN: tuple[PlannedRun, ...] = (
    dense("resnet56", "cifar10"),
    dense("resnet20", "cifar10"),
    dense("resnet32", "cifar10"),
    refined("resnet56", "cifar10"),
    refined("resnet20", "cifar10"),
    refined("resnet32", "cifar10"),
    block_gated("resnet20", "cifar10", 0.55),
    block_gated("resnet20", "cifar10", 0.38),
    half_cut("resnet56", "kxk-one"),
    half_cut("resnet32", "kxk-one"),
    half_cut("resnet20", "1x1"),
    half_cut("resnet20", "kxk-one"),
    half_cut("resnet20", "1x1", seed=2),
    half_cut("resnet20", "kxk-one", seed=2),
    gated("resnet20", "cifar10", 0.5, "tile", rate=HALF_RATE, extra=("--gate-layers", "blocks.[0-5].*")),
    gated("resnet32", "cifar10", 0.64),
    gated("resnet20", "cifar10", 0.75),
    gated("resnet20", "cifar10", 0.75, seed=2),
    gated("resnet20", "cifar10", 0.68, "1x1"),
    gated("resnet20", "cifar10", 0.68, "1x1", seed=2),
    gated("resnet32", "cifar10", 0.57, "1x1"),
    control("resnet20", "cifar10"),
    control("resnet20", "cifar10", seed=2),
    control("resnet32", "cifar10"),
    dense("resnet56", "cifar100"),
    dense("resnet32", "cifar100"),
    refined("resnet56", "cifar100"),
    refined("resnet32", "cifar100"),
    gated("resnet56", "cifar100", 0.64),
    gated("resnet32", "cifar100", 0.64),
    gated("resnet56", "cifar100", 0.58, "1x1"),
    gated("resnet32", "cifar100", 0.58, "1x1"),
    half_cut("resnet56", "1x1"),
    paper_control("resnet20", "cifar10"),
)


def ready(planned: PlannedRun, done: Mapping[str, int]) -> bool:
    """Whether a run is unfinished and everything it starts from is done."""
    by_name = {run.name: run for run in PLAN}
    needed = all(done[name] >= by_name[name].epochs for name in planned.needs)
    return needed and done[planned.name] < planned.epochs


def seconds_per_epoch(planned: PlannedRun, logs: Mapping[str, list[dict[str, Any]]]) -> float:
    """The median of the run's own epochs, else of runs alike, else the table's estimate."""
    alike = [run for run in PLAN if (run.net, run.gate, run.teacher is None) == (
        planned.net, planned.gate, planned.teacher is None
    )]  # fmt: skip
    for group in ([planned], alike):
        times = [
            record.get("cpu_seconds", record["seconds"])
            for run in group
            for record in logs.get(run.name, [])[-20:]
        ]
        if times:
            return median(times)
    blocks = (int(planned.net.removeprefix("resnet")) - 2) / 18
    return blocks * (SECONDS[planned.gate] + (TEACHER_SECONDS if planned.teacher else 0))


def hours_left(planned: PlannedRun, logs: Mapping[str, list[dict[str, Any]]]) -> float:
    """Hours on a free core of the kind that the logs or the table speak of."""
    records = logs.get(planned.name, [])
    left = planned.epochs - (records[-1]["epoch"] if records else 0)
    return max(left, 0) * seconds_per_epoch(planned, logs) / 3600
