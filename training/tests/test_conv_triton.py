"""The convolution kernels against PyTorch's convolutions in fp32, on the GPU or interpreted."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from triton_device import DEVICE, TYPES

from sluice_training import conv_triton

# Inputs, outputs, stride, height, width: odd sizes, rows of fewer positions than a block has.
SHAPES = [
    (16, 16, 1, 9, 13), (16, 32, 2, 9, 12), (32, 32, 1, 8, 8), (64, 64, 1, 5, 8), (32, 64, 2, 8, 7),
]  # fmt: skip


def leaf(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, device=DEVICE).to(dtype).requires_grad_()


def nhwc(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1)


def close(found: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> bool:
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    return bool((found.float() - wanted).norm() <= tolerance * wanted.norm())


@pytest.mark.parametrize("detached", [False, True], ids=["through", "detached"])
@pytest.mark.parametrize("branch", ["none", "one map", "centre maps"])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_convolution_and_its_gradients(
    shape: tuple[int, int, int, int, int], dtype: torch.dtype, branch: str, detached: bool
) -> None:
    torch.manual_seed(3)
    inputs, outputs, stride, height, width = shape
    x = leaf(5, height, width, inputs, dtype=dtype)
    weight = leaf(outputs, inputs, 3, 3)
    maps = {"one map": (1, inputs, 3, 3), "centre maps": (outputs, inputs, 1, 1)}.get(branch)
    branch_weight = leaf(*maps) if maps else None
    found = [*conv_triton.convolve(x, weight, branch_weight, stride, dtype, detached)]
    found = found[: 2 if maps else 1]
    plain = x.float().permute(0, 3, 1, 2)
    wanted = [nhwc(functional.conv2d(plain, weight, None, stride, 1))]
    if branch_weight is not None:
        seen = plain.detach() if detached else plain
        wanted.append(
            nhwc(functional.conv2d(seen, branch_weight, None, stride, 1 if maps[0] == 1 else 0))
        )
    leaves = [x, weight] + ([branch_weight] if maps else [])
    factors = [torch.randn_like(y) for y in wanted]
    parts = [
        torch.autograd.grad(sum((y * f).sum() for y, f in zip(ys, factors)), leaves)
        for ys in (found, wanted)
    ]
    for a, b in zip([*found, *parts[0]], [*wanted, *parts[1]]):
        assert a.shape == b.shape
        assert close(a, b, dtype)


@pytest.mark.parametrize("inputs", [3, 16])
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_convolution_with_bias_residual_and_relu(
    dtype: torch.dtype, with_residual: bool, inputs: int
) -> None:
    torch.manual_seed(4)
    x, weight, bias = leaf(3, 7, 10, inputs), leaf(32, inputs, 3, 3), leaf(32)
    residual = leaf(3, 7, 10, 32, dtype=dtype) if with_residual else None
    found = conv_triton.convolve_relu(x, weight, bias, residual, 1, dtype)
    wanted = nhwc(functional.conv2d(x.permute(0, 3, 1, 2), weight, bias, 1, 1))
    wanted = (wanted if residual is None else wanted + residual.float()).relu()
    assert found.dtype == dtype
    assert close(found, wanted, dtype)


def test_the_first_layer_learns_from_images() -> None:
    """Three channels, and images that want no gradient."""
    torch.manual_seed(5)
    x, weight = torch.randn(2, 8, 8, 3, device=DEVICE), leaf(16, 3, 3, 3)
    y, _ = conv_triton.convolve(x, weight, None, 1, torch.float32)
    wanted = nhwc(functional.conv2d(x.permute(0, 3, 1, 2), weight, None, 1, 1))
    factors = torch.randn_like(wanted)
    found_gradient, wanted_gradient = (
        torch.autograd.grad((z * factors).sum(), weight)[0] for z in (y, wanted)
    )
    assert close(y, wanted, torch.float32)
    assert close(found_gradient, wanted_gradient, torch.float32)


@pytest.mark.parametrize(
    ("conv", "taken"),
    [
        (nn.Conv2d(16, 64, 3, 2, 1, bias=False), True),
        (nn.Conv2d(3, 16, 3, 1, 1), True),
        (nn.Conv2d(16, 16, 3), False),
        (nn.Conv2d(16, 16, 1), False),
        (nn.Conv2d(16, 16, 3, 1, 1, groups=2), False),
        (nn.Conv2d(64, 128, 3, 1, 1), False),
        (nn.Conv2d(24, 16, 3, 1, 1), False),
        (nn.Conv2d(16, 16, 3, 1, 2, 2), False),
    ],
    ids=str,
)
def test_what_is_taken(conv: nn.Conv2d, taken: bool) -> None:
    assert conv_triton.takes(conv) == taken
