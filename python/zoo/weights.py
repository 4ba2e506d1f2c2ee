"""Seeded weights, and batch norms with statistics that keep activations in range at any depth."""

from __future__ import annotations

import math

import torch
from torch import nn

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
CONVOLUTIONS = (nn.modules.conv._ConvNd, nn.Linear)


def fan_in(module: nn.Module) -> float:
    """How many products each output of a convolution or linear layer sums."""
    weight = module.weight
    if isinstance(module, nn.ConvTranspose2d):
        return weight.shape[0] / module.groups * weight[0, 0].numel() / math.prod(module.stride)
    return weight[0].numel()


def draw_parameters(model: nn.Module, generator: torch.Generator) -> None:
    def normal(tensor: torch.Tensor, deviation: float) -> None:
        tensor.normal_(0, deviation, generator=generator)

    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            if name == "bias":
                normal(parameter, 0.1)
            elif isinstance(module, CONVOLUTIONS):
                normal(parameter, math.sqrt(2 / fan_in(module)))
            elif isinstance(module, NORMS):
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:  # the scales of residual blocks, PReLU's slopes
                parameter.uniform_(0.1, 0.4, generator=generator)


def measure_norms(model: nn.Module, images: torch.Tensor) -> list[nn.Module]:
    """Give batch norms the statistics of `images`, and return them."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = 1
    model(images)
    model.eval()
    return norms


@torch.no_grad()
def randomise(model: nn.Module, shape: tuple[int, ...], seed: int) -> nn.Module:
    """The model in inference mode. `shape`: of one image, [C, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    draw_parameters(model, generator)
    for norm in measure_norms(model, torch.randn(4, *shape, generator=generator)):
        size = norm.running_var.shape
        deviation = norm.running_var.sqrt()
        norm.running_mean += 0.2 * deviation * torch.randn(size, generator=generator)
        norm.running_var *= 0.7 + torch.rand(size, generator=generator)
    return model
