"""Starting a deeper network of one kind from a shallower one, whose function it has at first.

Each stage begins with the shallower network's blocks. Those after them give nothing at first, since the
scale of their last batch norm is zero, so that their shortcuts alone remain (Chen, Goodfellow and
Shlens, "Net2Net", 2016; Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 5.1).
"""

from __future__ import annotations

import torch
from torch import nn

from sluice_training.errors import TrainingError
from sluice_training.nets import BasicBlock, CifarResNet

STAGES = 3


def deepen(shallow: nn.Module, deep: nn.Module) -> None:
    """Write the weights of a dense ResNet of CIFAR into a deeper one, in place.

    Raises TrainingError where either is another network, or the second is not the deeper one.
    """
    if not (_is_dense(shallow) and _is_dense(deep)) or len(deep.blocks) <= len(shallow.blocks):
        raise TrainingError("--deepen: starts a dense resnet32, 44, 56 or 110 from a shallower one")
    state = shallow.state_dict()
    had, has = len(shallow.blocks) // STAGES, len(deep.blocks) // STAGES
    with torch.no_grad():
        for stage in range(STAGES):
            for index in range(has):
                block = deep.blocks[stage * has + index]
                if index < had:
                    block.load_state_dict(shallow.blocks[stage * had + index].state_dict())
                else:
                    block.bn2.weight.zero_()
    outside = {name: value for name, value in state.items() if not name.startswith("blocks.")}
    try:
        deep.load_state_dict(outside, strict=False)
    except RuntimeError as error:
        raise TrainingError("--deepen: the shallower network knows other classes") from error


def _is_dense(model: nn.Module) -> bool:
    return isinstance(model, CifarResNet) and all(
        isinstance(block, BasicBlock) and block.gate is None and type(block.conv1) is nn.Conv2d
        for block in model.blocks
    )
