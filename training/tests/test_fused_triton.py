"""The Triton kernels against plain PyTorch in fp32, on the GPU or, without one, interpreted."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from triton_device import DEVICE, TYPES

from sluice_training import fused_triton


def plain(norm: nn.BatchNorm2d, y, gate, residual) -> torch.Tensor:
    """The definition before the clamp in fp32, whatever the inputs' type, on [N, H, W, C]."""
    y = y.float() if gate is None else y.float() * gate.float()
    y = functional.batch_norm(
        y.permute(0, 3, 1, 2), norm.running_mean, norm.running_var, norm.weight, norm.bias, True,
        norm.momentum, norm.eps,
    ).permute(0, 2, 3, 1)  # fmt: skip
    return y if residual is None else y + residual.float()


def leaf(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, device=DEVICE).to(dtype).requires_grad_()


def norm_of(channels: int) -> nn.BatchNorm2d:
    torch.manual_seed(9)
    norm = nn.BatchNorm2d(channels)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias)
    return norm.to(DEVICE)


@pytest.mark.parametrize("limit", [math.inf, 1.0])
@pytest.mark.parametrize("maps", ["none", "position", "element"])
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("channels", [1, 16, 64])
def test_norm_relu_and_its_gradients(
    channels: int, dtype: torch.dtype, with_residual: bool, maps: str, limit: float
) -> None:
    """4,437 positions: several programs, and a last block that is not full."""
    torch.manual_seed(8)
    shape = (9, 17, 29, channels)
    y = leaf(*shape, dtype=dtype)
    gate = None
    if maps != "none":
        gate = leaf(9, 17, 29, 1 if maps == "position" else channels, dtype=dtype)
        gate.data.clamp_(0, 1)
    residual = leaf(*shape, dtype=dtype) if with_residual else None
    inputs = [t for t in (y, gate, residual) if t is not None]
    found_norm, wanted_norm = norm_of(channels), norm_of(channels)
    found = fused_triton.norm_relu(found_norm, y, gate, residual, limit)
    unclamped = plain(wanted_norm, y, gate, residual)
    wanted = unclamped.clamp(0, limit)
    weights = torch.randn(shape, device=DEVICE)
    # Rounding decides there on which side of the clamp a value falls.
    for edge in (0.0, limit):
        weights[(unclamped - edge).abs() < 1e-3] = 0
    parts = [
        torch.autograd.grad((z * weights).sum(), [*inputs, norm.weight, norm.bias])
        for z, norm in ((found, found_norm), (wanted, wanted_norm))
    ]
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    assert torch.allclose(found.float(), wanted, rtol=tolerance * 10, atol=tolerance * 10)
    for a, b in zip(*parts):
        assert (a.float() - b.float()).norm() <= 3 * tolerance * b.float().norm() + 1e-6
    assert torch.allclose(found_norm.running_mean, wanted_norm.running_mean, atol=1e-6)
    assert torch.allclose(found_norm.running_var, wanted_norm.running_var, atol=1e-5)
    assert int(found_norm.num_batches_tracked) == 1


def test_channels_that_a_range_cannot_hold_are_refused() -> None:
    assert [c for c in (1, 16, 24, 64, 512, 1024) if fused_triton.takes(c)] == [1, 16, 64, 512]
