"""The parts of a network whose time is looked up in a table: residual blocks, and what lies outside.

Units of one key take the same time, whatever network they stand in. docs: README.md, "A budget in
milliseconds".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from sluice_training.block_gates import staged_blocks, torchvision_form
from sluice_training.closed_blocks import closed_blocks
from sluice_training.errors import TrainingError
from sluice_training.lccl import GatedConv2d, GateSpec
from sluice_training.nets import CifarResNet, PaddedShortcut

# Forms of gates in a table, besides the grains of gates per block: an LCCL for each convolution.
LAYER_FORMS = ("kxk-one", "tile", "1x1")


@dataclass(frozen=True)
class Unit:
    """A residual block, or a layer outside of all blocks.

    name: its module's. key: what it computes, without its gates. module: of the network, in place.
    size: of its input, [C, H, W]; for the last linear layer that of the map whose mean it reads.
    stage: of a block, the first 0; None for other layers.
    """

    name: str
    key: str
    module: nn.Module
    size: tuple[int, int, int]
    stage: int | None = None

    @property
    def is_block(self) -> bool:
        return self.stage is not None


def image_size(model: nn.Module) -> tuple[int, int, int]:
    """Of the images that a network of nets.py is meant for, [C, H, W]."""
    side = 32 if isinstance(model, CifarResNet) else 224
    return 3, side, side


def find_units(model: nn.Module, size: tuple[int, int, int]) -> list[Unit]:
    """The units of a network on images [C, H, W] = `size`, in the order in which they run.

    Raises TrainingError where the network has no residual blocks, or lacks some of its kind's.
    """
    staged = staged_blocks(model, torchvision_form)
    blocks = {name: (module, stage) for name, module, _, stage in staged}
    if not blocks:
        raise TrainingError("no residual blocks in this network: its time cannot be predicted")
    if any(closed_blocks(model)):
        raise TrainingError(
            "blocks are left out of this network, so that the dense time is not known: predict the "
            "time of the checkpoint before drop_closed.py"
        )
    wanted = {module: (name, stage) for name, (module, stage) in blocks.items()}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{block}.") for block in blocks)
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.Linear)) and not inside:
            wanted[module] = (name, None)
    units: list[Unit] = []

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        name, stage = wanted[module]
        # A linear layer reads the mean of what came before it.
        shape = inputs[0].shape[1:] if inputs[0].dim() == 4 else last[0]
        found = (int(shape[0]), int(shape[1]), int(shape[2]))
        units.append(Unit(name, _key(module, found), module, found, stage))
        last[0] = output.shape[1:]

    last: list[torch.Size] = [torch.Size(size)]
    hooks = [module.register_forward_hook(note) for module in wanted]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, *size, device=next(model.parameters()).device))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return units


def gate_key(unit: Unit) -> str | None:
    """How a unit is gated, as tables name it: a grain, an LCCL's form, or None where it is dense.

    Raises TrainingError for gates that no table has.
    """
    gate = getattr(unit.module, "gate", None)
    if unit.is_block and gate is not None:
        return "map" if gate.grain == 0 else str(gate.grain)
    layers = [module for module in unit.module.modules() if isinstance(module, GatedConv2d)]
    if not layers:
        return None
    spec = layers[0].gate.spec
    own = convolutions(unit.module) if unit.is_block else []
    if len(layers) != len(own) or spec.form not in LAYER_FORMS or spec.grid != GateSpec.grid:
        raise TrainingError(
            f"{unit.name}: its gates have no costs; tables have gates per block, and blocks whose "
            f"convolutions all have an LCCL of the forms {', '.join(LAYER_FORMS)}"
        )
    return spec.form


def densities_by_unit(units: list[Unit], by_gate: dict[str, float]) -> dict[str, float]:
    """The density of each gated unit, from those of its gate or of its gated layers (their mean)."""
    found = {}
    for unit in units:
        mine = [
            density
            for name, density in by_gate.items()
            if name == unit.name or name.startswith(f"{unit.name}.")
        ]
        if mine:
            found[unit.name] = sum(mine) / len(mine)
    return found


def convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """A block's own convolutions, with or without an LCCL, not those of its shortcut."""
    return [
        child.conv if isinstance(child, GatedConv2d) else child
        for child in block.children()
        if isinstance(child, (nn.Conv2d, GatedConv2d))
    ]


def _key(module: nn.Module, size: tuple[int, int, int]) -> str:
    place = "x".join(str(extent) for extent in size)
    if isinstance(module, nn.Linear):
        return f"mean and linear {place}"  # the number of classes matters little
    if isinstance(module, nn.MaxPool2d):
        return f"max-pool {place} {module.kernel_size}/{module.stride}"
    own = [module] if isinstance(module, nn.Conv2d) else convolutions(module)
    layers = ", ".join(
        f"{conv.kernel_size[0]}x{conv.kernel_size[1]} to {conv.out_channels}"
        + (f"/{conv.stride[0]}" if conv.stride[0] > 1 else "")
        for conv in own
    )
    if isinstance(module, nn.Conv2d):
        return f"conv {place}: {layers}"
    return f"{type(module).__name__} {place}: {layers}{_shortcut(module, own)}"


def _shortcut(block: nn.Module, own: list[nn.Conv2d]) -> str:
    changes = own[0].in_channels != own[-1].out_channels or any(c.stride[0] > 1 for c in own)
    shortcut = getattr(block, "shortcut", getattr(block, "downsample", None))
    if not changes and isinstance(shortcut, (PaddedShortcut, nn.Identity, type(None))):
        return ""
    return "; padded" if isinstance(shortcut, PaddedShortcut) else "; projected"
