"""A budget in milliseconds: binary block gates held at a share of the dense network's time.

The time is predicted by a table of costs (costs.py). It is the budget of budget.py otherwise: the same
bounds for each block, and the same noise.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from sluice_training.block_gates import BLOCK, BlockGateSpec, add_block_gates, parse_grains
from sluice_training.budget import Budget
from sluice_training.config import RunConfig
from sluice_training.costs import (
    CostTable,
    NetworkTime,
    blocks_that_gain,
    predict_units,
    propose_grains,
    read_costs,
)
from sluice_training.errors import TrainingError
from sluice_training.macs import MacsReport
from sluice_training.nets import make_net
from sluice_training.units import Unit, find_units, gate_key, image_size

AUTO = "auto"
# Points of each block's time by its density, evenly from 0 to 1.
POINTS = 101
# No block is expected to hold less.
LEAST_TARGET = 0.05


def parse_budget(text: str) -> tuple[float, CostTable]:
    """'0.8@avx2-int8': the share of the dense time, and the table of costs."""
    share, _, name = text.partition("@")
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise TrainingError(
            f"--budget-ms {text}: give a share of the dense time and a target, as 0.8@avx2-int8"
        )
    return value, read_costs(name)


class TimeBudget(Budget):
    """Holds the predicted time of a network at a share of its dense time.

    The loss is that of the true predicted time, whose curves have steps and flat parts, where one
    way of computing takes over from another. Its gradient is that of each curve's chord: what the
    block saves for each unit of density.
    """

    def __init__(self, model: nn.Module, weights: dict[str, float], config: RunConfig) -> None:
        super().__init__(model, weights, config)
        self._wanted_share, self._table = parse_budget(config.budget_ms)
        self._units = find_units(model, image_size(model))
        dense = predict_units(self._units, self._table, {}).dense_ms
        gated = {unit.name: unit for unit in self._units if gate_key(unit) is not None}
        costs = [self._table.gate(gated[name], gate_key(gated[name])) for name in self._gates]
        held = sum(self._table.of(gated[name]).dense_ms for name in self._gates)
        grid = [i / (POINTS - 1) for i in range(POINTS)]
        device = self._densities.device
        self._rest = (dense - held) / dense
        self._curves = torch.tensor([[c.at(x) / dense for x in grid] for c in costs]).to(device)
        self._slopes = torch.tensor([c.slope / dense for c in costs]).to(device)
        self._time_share = torch.ones((), device=device)

    def time_share(self, densities: torch.Tensor) -> torch.Tensor:
        """The predicted share of the dense time at the blocks' densities, [blocks]."""
        fixed = densities.detach().clamp(0, 1) * (POINTS - 1)
        low = fixed.floor().clamp(max=POINTS - 2)
        index = low.long().unsqueeze(1)
        left, right = self._curves.gather(1, index), self._curves.gather(1, index + 1)
        times = (left + (fixed - low).unsqueeze(1) * (right - left)).squeeze(1)
        times = times + self._slopes * (densities - densities.detach())
        return self._rest + times.sum()

    def missed(self, densities: torch.Tensor) -> torch.Tensor:
        share = self.time_share(densities)
        self._time_share.copy_(share.detach())
        return (share - self._wanted_share).square()

    def changing(self) -> list[torch.Tensor]:
        return [*super().changing(), self._time_share]

    def record(self) -> dict[str, float]:
        return super().record() | {"train_time": round(float(self._time_share), 4)}

    def validated(self, macs: MacsReport) -> dict[str, float]:
        by_gate = {layer.name: layer.density for layer in macs.layers}
        return predict_units(self._units, self._table, by_gate).record()


def plan_gates(
    net: str, grains: str, pattern: str, budget: str
) -> tuple[str, str, float]:
    """Which blocks of a network a budget gates, and at which density it expects them.

    grains: as --grains, or AUTO for those that costs.py proposes. pattern: the user's own choice of
    blocks. Returns grains, a pattern of the names of the blocks that gain by it, and the density that
    meets the budget where all hold the same. Raises TrainingError where no block gains, or the
    budget cannot be met.
    """
    share, table = parse_budget(budget)
    model = make_net(net, 2)
    units = find_units(model, image_size(model))
    names = propose_grains(units, table) if grains == AUTO else grains.split(",")
    parse_grains(",".join(names))
    stages = 1 + max(unit.stage for unit in units if unit.is_block)
    if len(names) not in (1, stages):
        raise TrainingError(f"{len(names)} grains for {stages} stages; give one for each")
    chosen = [
        unit.name
        for unit, _ in blocks_that_gain(units, table, names)
        if any(fnmatchcase(unit.name, one) for one in pattern.split(","))
    ]
    if not chosen:
        raise TrainingError(
            f"--budget-ms {budget}: no block of {net} gains by gates of the grains "
            f"{','.join(names)}; costs.py shows what each saves"
        )
    layers = ",".join(chosen)
    spec = BlockGateSpec(grains=parse_grains(",".join(names)), layers=layers)
    add_block_gates(model, spec)
    return ",".join(names), layers, _density_for(units, table, chosen, share, budget)


def _density_for(
    units: Sequence[Unit], table: CostTable, blocks: list[str], share: float, budget: str
) -> float:
    """The greatest density at which all blocks together take a share of the dense time."""

    def at(density: float) -> NetworkTime:
        return predict_units(units, table, dict.fromkeys(blocks, density))

    for step in range(99, round(100 * LEAST_TARGET) - 1, -1):
        if at(step / 100).share <= share:
            return step / 100
    least = at(LEAST_TARGET).share
    raise TrainingError(
        f"--budget-ms {budget}: gates of these blocks take {least:.2f} of the dense time at a "
        f"density of {LEAST_TARGET}; choose other grains, or a share above that"
    )


def apply_budget(arguments: Namespace) -> None:
    """Enter what --budget-ms decides into the options of train.py: grains, blocks and target."""
    if not arguments.budget_ms:
        if arguments.grains == AUTO:
            raise TrainingError("--grains auto needs --budget-ms")
        return
    if arguments.gate != BLOCK:
        raise TrainingError("--budget-ms needs --gate block")
    arguments.grains, arguments.gate_layers, arguments.target = plan_gates(
        arguments.net, arguments.grains, arguments.gate_layers, arguments.budget_ms
    )
