"""The fused operators against plain PyTorch and, for one map, against the convolution."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import torch
from make_variants import VARIANTS
from torch import nn
from torch.nn import functional

from sluice_training import fused
from sluice_training.errors import TrainingError

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler"
)


@pytest.fixture(autouse=True)
def fused_operators() -> Iterator[None]:
    fused.enable()
    yield
    fused.enable(False)


def leaf(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    x = torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)
    return x.requires_grad_()


def plain(norm: nn.BatchNorm2d, y, gate, residual):
    """The definition in fp32, whatever the inputs' type."""
    y = y.float() if gate is None else y.float() * gate.float()
    y = functional.batch_norm(
        y, norm.running_mean, norm.running_var, norm.weight, norm.bias, True, norm.momentum, 1e-5
    )
    return (y if residual is None else y + residual.float()).relu()


@pytest.mark.parametrize("maps", ["none", "position", "element"])
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("channels", [16, 64, 5])
def test_norm_relu_and_its_gradients(
    channels: int, dtype: torch.dtype, with_residual: bool, maps: str
) -> None:
    torch.manual_seed(8)
    shape = (3, channels, 7, 9)
    y = leaf(*shape, dtype=dtype)
    gate = None
    if maps != "none":
        gate = leaf(3, 1 if maps == "position" else channels, 7, 9, dtype=dtype)
        gate.data.clamp_(0, 1)
    residual = leaf(*shape, dtype=dtype) if with_residual else None
    norms = [nn.BatchNorm2d(channels) for _ in range(2)]
    for norm in norms:
        torch.manual_seed(9)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
    inputs = [t for t in (y, gate, residual) if t is not None]
    found = fused.norm_relu(norms[0], y, gate, residual)
    assert "_NormRelu" in str(found.grad_fn.next_functions)
    wanted = plain(norms[1], y, gate, residual)
    weights = torch.randn(shape)
    found_grads = torch.autograd.grad(
        (found * weights).sum(), [*inputs, norms[0].weight, norms[0].bias]
    )
    wanted_grads = torch.autograd.grad(
        (wanted * weights).sum(), [*inputs, norms[1].weight, norms[1].bias]
    )
    atol = 2e-5 if dtype == torch.float32 else 0.06
    assert torch.allclose(found.float(), wanted, atol=atol)
    for a, b in zip(found_grads, wanted_grads):
        assert torch.allclose(a.float(), b.float(), atol=atol * max(1.0, b.abs().max().item()))
    assert torch.allclose(norms[0].running_mean, norms[1].running_mean, atol=1e-6)
    assert torch.allclose(norms[0].running_var, norms[1].running_var, atol=1e-6)


@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("channels", [16, 64, 5])
def test_norm_mask_relu_and_its_gradients(
    channels: int, dtype: torch.dtype, with_residual: bool
) -> None:
    torch.manual_seed(8)
    shape = (3, channels, 7, 9)
    y = leaf(*shape, dtype=dtype)
    mask = (torch.rand(3, 1, 7, 9) < 0.5).to(dtype).requires_grad_()
    residual = leaf(*shape, dtype=dtype) if with_residual else None
    norms = [nn.BatchNorm2d(channels) for _ in range(2)]
    for norm in norms:
        torch.manual_seed(9)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
    inputs = [t for t in (y, mask, residual) if t is not None]
    found = fused.norm_mask_relu(norms[0], y, mask, residual)
    assert "_NormRelu" in str(found.grad_fn.next_functions)
    normed = functional.batch_norm(
        y.float(), norms[1].running_mean, norms[1].running_var, norms[1].weight, norms[1].bias, True
    )
    if residual is None:
        wanted = normed.relu() * mask.float()
    else:
        wanted = (normed * mask.float() + residual.float()).relu()
    weights = torch.randn(shape)
    grads = [
        torch.autograd.grad((out * weights).sum(), [*inputs, norm.weight, norm.bias])
        for out, norm in ((found, norms[0]), (wanted, norms[1]))
    ]
    atol = 2e-5 if dtype == torch.float32 else 0.06
    assert torch.allclose(found.float(), wanted, atol=atol)
    for a, b in zip(*grads):
        assert torch.allclose(a.float(), b.float(), atol=atol * max(1.0, b.abs().max().item()))
    skipped = mask.detach() == 0
    assert grads[0][1][skipped].abs().float().mean() > 0.1
    assert torch.allclose(norms[0].running_mean, norms[1].running_mean, atol=1e-6)
    assert torch.allclose(norms[0].running_var, norms[1].running_var, atol=1e-6)


def test_a_limit_clamps_and_stops_the_gradient() -> None:
    torch.manual_seed(8)
    y = leaf(3, 16, 7, 9, dtype=torch.float32)
    norms = [nn.BatchNorm2d(16) for _ in range(2)]
    found = fused.norm_relu(norms[0], y, limit=1.0)
    wanted = norms[1](y).clamp(0, 1)
    weights = torch.randn_like(wanted)
    assert torch.allclose(found, wanted, atol=2e-5) and 0 < (found == 1).float().mean() < 1
    grads = [torch.autograd.grad((z * weights).sum(), y)[0] for z in (found, wanted)]
    assert torch.allclose(*grads, atol=2e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "pad"), [(3, 1, 1), (3, 2, 1), (3, 1, 0), (5, 2, 2), (5, 3, 1)]
)
@pytest.mark.parametrize("with_bias", [False, True])
def test_one_map_equals_the_convolution(
    kernel: int, stride: int, pad: int, with_bias: bool
) -> None:
    torch.manual_seed(8)
    conv = fused.OneMapConv2d(6, 1, kernel, stride, pad, bias=with_bias)
    x = leaf(2, 6, 9, 8, dtype=torch.float32)
    found = conv(x)
    assert "SumTaps" in str(found.grad_fn if not with_bias else found.grad_fn.next_functions)
    wanted = functional.conv2d(x, conv.weight, conv.bias, stride, pad)
    weights = torch.randn_like(wanted)
    assert torch.allclose(found, wanted, atol=1e-5)
    learned = [x, *conv.parameters()]
    parts = [torch.autograd.grad((z * weights).sum(), learned) for z in (found, wanted)]
    for a, b in zip(*parts):
        assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "gate_kxk_one", "gate_1x1", "gate_1x1_one", "gate_groups", "gate_tile", "preact",
        "block", "block_tiles", "block_map", "block_preact",
    ],
)  # fmt: skip
def test_small_networks_train_alike_with_and_without(name: str) -> None:
    """Two blocks only: a position on a gate's kink, and a deep network is chaotic in fp32."""
    losses, gradients = [], []
    for on in (False, True):
        fused.enable(on)
        torch.manual_seed(8)
        model = VARIANTS[name]().train()
        loss = model(torch.randn(4, 3, 32, 32)).square().mean()
        loss.backward()
        losses.append(loss.item())
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for parameter, wanted in gradients[0].items():
        difference = (gradients[1][parameter] - wanted).norm() / (wanted.norm() + 1e-6)
        assert difference < 1e-3, parameter


def test_a_compiler_that_fails_is_named(monkeypatch, tmp_path) -> None:
    fused.enable(False)
    monkeypatch.setattr(fused, "CACHE", tmp_path)
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(TrainingError, match="fused.cpp: false fails"):
        fused.enable()
    assert list(tmp_path.iterdir()) == []
