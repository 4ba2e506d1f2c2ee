"""Residual blocks whose gate never opens, left out of the network: act(shortcut(x)) remains of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn

from sluice_training.block_gates import OWN_BLOCKS, own_form
from sluice_training.errors import TrainingError
from sluice_training.nets import PaddedShortcut, PreactBlock


class ClosedBlock(nn.Module):
    """What a block of nets.py gives where its mask is zero everywhere: [N, C, H, W] -> [N, K, H/s, W/s].

    taps: MACs that the block would have taken for an output position.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.shortcut = block.shortcut
        # Blocks read what a ReLU gave, which padding leaves as it is.
        self.has_relu = not isinstance(block, PreactBlock) and not isinstance(
            block.shortcut, PaddedShortcut
        )
        form = own_form(block)
        assert form is not None
        self.taps = sum(block.get_submodule(name).weight.numel() for name, _ in form.masked)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.shortcut(x)
        return y.relu() if self.has_relu else y


def close_blocks(model: nn.Module, names: Iterable[str]) -> nn.Module:
    """Replace blocks of a network of nets.py, in place; returns the model.

    Raises TrainingError where a name is no such block.
    """
    for name in names:
        parent, _, child = name.rpartition(".")
        modules = dict(model.named_modules())
        if not isinstance(modules.get(name), OWN_BLOCKS):
            raise TrainingError(f"block '{name}': the network has no such residual block to leave out")
        setattr(modules[parent], child, ClosedBlock(modules[name]))
    return model


def closed_blocks(model: nn.Module) -> Iterator[tuple[str, ClosedBlock]]:
    for name, module in model.named_modules():
        if isinstance(module, ClosedBlock):
            yield name, module
