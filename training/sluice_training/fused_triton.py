"""The operator of fused.py on an NVIDIA accelerator: two Triton kernels forward, two backward.

Activations are [positions, channels], row-major: NHWC flattened. Sums over positions are made in
two steps: each program of the first kernel leaves its share, each program of the second adds them
up. The batch norm's running statistics change inside the kernel, so that a step that is captured
as a CUDA graph has no small launches for them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import nn

from sluice_training.fused import ELEMENT, NONE, POSITION

# Elements of a block, and the most that a program reads of the others' shares (in floats).
BLOCK_ELEMENTS = 4096
SHARE_ELEMENTS = 2048
MOST_PROGRAMS = 128
MOST_CHANNELS = 512


@triton.jit
def _gate_block(gate, rows, offsets, inside, GATING: tl.constexpr):
    if GATING == 1:
        values = tl.load(gate + rows, mask=inside, other=0.0)[:, None]
    else:
        values = tl.load(gate + offsets, mask=inside[:, None], other=0.0)
    return values.to(tl.float32)


@triton.jit
def _gated_block(y, gate, rows, offsets, inside, GATING: tl.constexpr):
    value = tl.load(y + offsets, mask=inside[:, None], other=0.0).to(tl.float32)
    if GATING != 0:
        value *= _gate_block(gate, rows, offsets, inside, GATING)
    return value


@triton.jit
def _sum_shares(shares, programs, C: tl.constexpr, PROGRAMS: tl.constexpr):
    rows = tl.arange(0, PROGRAMS)
    offsets = rows[:, None] * C + tl.arange(0, C)[None, :]
    return tl.sum(tl.load(shares + offsets, mask=(rows < programs)[:, None], other=0.0), axis=0)


@triton.jit
def _moments(y, gate, shares, positions, C: tl.constexpr, GATING: tl.constexpr, BLOCK: tl.constexpr):
    program, programs = tl.program_id(0), tl.num_programs(0)
    channels = tl.arange(0, C)
    total = tl.zeros([BLOCK, C], tl.float32)
    squares = tl.zeros([BLOCK, C], tl.float32)
    for start in range(program * BLOCK, positions, programs * BLOCK):
        rows = start + tl.arange(0, BLOCK)
        inside = rows < positions
        offsets = rows[:, None] * C + channels[None, :]
        value = _gated_block(y, gate, rows, offsets, inside, GATING)
        total += value
        squares += value * value
    tl.store(shares + program * C + channels, tl.sum(total, axis=0))
    tl.store(shares + (programs + program) * C + channels, tl.sum(squares, axis=0))


@triton.jit
def _normalise(
    y, gate, residual, out, shares, programs, moments, weight, bias, running_mean, running_var,
    batches, momentum, epsilon, limit, positions,
    C: tl.constexpr, GATING: tl.constexpr, RESIDUAL: tl.constexpr, LIMITED: tl.constexpr,
    BLOCK: tl.constexpr, PROGRAMS: tl.constexpr,
):  # fmt: skip
    channels = tl.arange(0, C)
    mean = _sum_shares(shares, programs, C, PROGRAMS) / positions
    squares = _sum_shares(shares + programs * C, programs, C, PROGRAMS) / positions
    variance = tl.maximum(squares - mean * mean, 0.0)
    if tl.program_id(0) == 0:
        tl.store(moments + channels, mean)
        tl.store(moments + C + channels, variance)
        before = tl.load(running_mean + channels)
        tl.store(running_mean + channels, before + momentum * (mean - before))
        before = tl.load(running_var + channels)
        unbiased = variance * (positions / (positions - 1.0))
        tl.store(running_var + channels, before + momentum * (unbiased - before))
        tl.store(batches, tl.load(batches) + 1)
    scale = tl.load(weight + channels) / tl.sqrt(variance + epsilon)
    shift = tl.load(bias + channels) - mean * scale
    for start in range(tl.program_id(0) * BLOCK, positions, tl.num_programs(0) * BLOCK):
        rows = start + tl.arange(0, BLOCK)
        inside = rows < positions
        offsets = rows[:, None] * C + channels[None, :]
        value = _gated_block(y, gate, rows, offsets, inside, GATING)
        value = value * scale[None, :] + shift[None, :]
        if RESIDUAL:
            value += tl.load(residual + offsets, mask=inside[:, None], other=0.0).to(tl.float32)
        value = tl.maximum(value, 0.0)
        if LIMITED:
            value = tl.minimum(value, limit)
        tl.store(out + offsets, value.to(out.dtype.element_ty), mask=inside[:, None])


@triton.jit
def _open_gradient(dout, out, offsets, inside, limit, LIMITED: tl.constexpr):
    result = tl.load(out + offsets, mask=inside[:, None], other=0.0).to(tl.float32)
    gradient = tl.load(dout + offsets, mask=inside[:, None], other=0.0).to(tl.float32)
    gradient = tl.where(result > 0.0, gradient, 0.0)
    if LIMITED:
        gradient = tl.where(result < limit, gradient, 0.0)
    return gradient


@triton.jit
def _gradient_sums(
    dout, out, y, gate, shares, moments, epsilon, limit, positions,
    C: tl.constexpr, GATING: tl.constexpr, LIMITED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    program, programs = tl.program_id(0), tl.num_programs(0)
    channels = tl.arange(0, C)
    mean = tl.load(moments + channels)
    inverse = 1.0 / tl.sqrt(tl.load(moments + C + channels) + epsilon)
    dbias = tl.zeros([BLOCK, C], tl.float32)
    dweight = tl.zeros([BLOCK, C], tl.float32)
    for start in range(program * BLOCK, positions, programs * BLOCK):
        rows = start + tl.arange(0, BLOCK)
        inside = rows < positions
        offsets = rows[:, None] * C + channels[None, :]
        gradient = _open_gradient(dout, out, offsets, inside, limit, LIMITED)
        value = _gated_block(y, gate, rows, offsets, inside, GATING)
        dbias += gradient
        dweight += gradient * (value - mean[None, :]) * inverse[None, :]
    tl.store(shares + program * C + channels, tl.sum(dbias, axis=0))
    tl.store(shares + (programs + program) * C + channels, tl.sum(dweight, axis=0))


@triton.jit
def _gradients(
    dout, out, y, gate, dy, dgate, dresidual, shares, programs, dparameters, moments, weight,
    epsilon, limit, positions,
    C: tl.constexpr, GATING: tl.constexpr, RESIDUAL: tl.constexpr, LIMITED: tl.constexpr,
    BLOCK: tl.constexpr, PROGRAMS: tl.constexpr,
):  # fmt: skip
    channels = tl.arange(0, C)
    dbias = _sum_shares(shares, programs, C, PROGRAMS)
    dweight = _sum_shares(shares + programs * C, programs, C, PROGRAMS)
    if tl.program_id(0) == 0:
        tl.store(dparameters + channels, dweight)
        tl.store(dparameters + C + channels, dbias)
    mean = tl.load(moments + channels)
    inverse = 1.0 / tl.sqrt(tl.load(moments + C + channels) + epsilon)
    scale = tl.load(weight + channels) * inverse
    for start in range(tl.program_id(0) * BLOCK, positions, tl.num_programs(0) * BLOCK):
        rows = start + tl.arange(0, BLOCK)
        inside = rows < positions
        offsets = rows[:, None] * C + channels[None, :]
        gradient = _open_gradient(dout, out, offsets, inside, limit, LIMITED)
        bare = tl.load(y + offsets, mask=inside[:, None], other=0.0).to(tl.float32)
        value = bare
        if GATING != 0:
            factor = _gate_block(gate, rows, offsets, inside, GATING)
            value = bare * factor
        normal = (value - mean[None, :]) * inverse[None, :]
        dvalue = gradient - (dbias[None, :] + normal * dweight[None, :]) / positions
        dvalue *= scale[None, :]
        if RESIDUAL:
            stored = gradient.to(dresidual.dtype.element_ty)
            tl.store(dresidual + offsets, stored, mask=inside[:, None])
        if GATING == 1:
            dfactor = tl.sum(dvalue * bare, axis=1)
            tl.store(dgate + rows, dfactor.to(dgate.dtype.element_ty), mask=inside)
        if GATING == 2:
            dfactor = (dvalue * bare).to(dgate.dtype.element_ty)
            tl.store(dgate + offsets, dfactor, mask=inside[:, None])
        if GATING != 0:
            dvalue *= factor
        tl.store(dy + offsets, dvalue.to(dy.dtype.element_ty), mask=inside[:, None])


class _Sizes:
    """How a tensor of [positions, channels] is split over programs."""

    def __init__(self, y: torch.Tensor) -> None:
        self.channels = y.shape[-1]
        self.positions = y.numel() // self.channels
        self.block = max(BLOCK_ELEMENTS // self.channels, 1)
        blocks = triton.cdiv(self.positions, self.block)
        most = max(min(SHARE_ELEMENTS // self.channels, MOST_PROGRAMS), 4)
        self.summing = min(blocks, most)
        self.writing = min(triton.cdiv(blocks, 2), 8 * MOST_PROGRAMS)
        self.constants = {"C": self.channels, "BLOCK": self.block}
        self.shares = {"PROGRAMS": triton.next_power_of_2(self.summing)}


class _NormRelu(torch.autograd.Function):
    """clamp(batch_norm(y * gate) + residual, 0, limit) on contiguous [N, H, W, C]."""

    @staticmethod
    def forward(ctx: Any, y, gate, residual, weight, bias, norm, limit):
        sizes = _Sizes(y)
        gating = NONE if gate is None else POSITION if gate.shape[-1] == 1 else ELEMENT
        out = torch.empty_like(y)
        shares = y.new_empty((2, sizes.summing, sizes.channels), dtype=torch.float32)
        moments = y.new_empty((2, sizes.channels), dtype=torch.float32)
        flags = {"GATING": gating, **sizes.constants}
        _moments[(sizes.summing,)](y, pointer(gate, y), shares, sizes.positions, **flags)
        limited = limit != math.inf
        _normalise[(sizes.writing,)](
            y, pointer(gate, y), pointer(residual, y), out, shares, sizes.summing, moments, weight, bias,
            norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.momentum, norm.eps,
            limit if limited else 0.0, sizes.positions,
            RESIDUAL=residual is not None, LIMITED=limited, **flags, **sizes.shares,
        )  # fmt: skip
        ctx.save_for_backward(y, gate, out, weight, moments)
        ctx.sizes, ctx.flags, ctx.epsilon = sizes, flags, norm.eps
        ctx.limit, ctx.has_residual = limit, residual is not None
        return out

    @staticmethod
    def backward(ctx: Any, dout):
        y, gate, out, weight, moments = ctx.saved_tensors
        sizes, flags = ctx.sizes, ctx.flags
        dout = dout.contiguous()
        dy = torch.empty_like(y)
        dgate = None if gate is None else torch.empty_like(gate)
        dresidual = torch.empty_like(y) if ctx.has_residual else None
        dparameters = torch.empty_like(moments)
        shares = y.new_empty((2, sizes.summing, sizes.channels), dtype=torch.float32)
        limited = ctx.limit != math.inf
        limit = ctx.limit if limited else 0.0
        _gradient_sums[(sizes.summing,)](
            dout, out, y, pointer(gate, y), shares, moments, ctx.epsilon, limit, sizes.positions,
            LIMITED=limited, **flags,
        )  # fmt: skip
        _gradients[(sizes.writing,)](
            dout, out, y, pointer(gate, y), dy, pointer(dgate, y), pointer(dresidual, y), shares,
            sizes.summing, dparameters, moments, weight, ctx.epsilon, limit, sizes.positions,
            RESIDUAL=ctx.has_residual, LIMITED=limited, **flags, **sizes.shares,
        )  # fmt: skip
        return dy, dgate, dresidual, dparameters[0], dparameters[1], None, None


def pointer(tensor: torch.Tensor | None, other: torch.Tensor) -> torch.Tensor:
    """A pointer that a kernel does not read where there is no tensor."""
    return other if tensor is None else tensor


def takes(channels: int) -> bool:
    """Whether the kernels know this number of channels: Triton's ranges are powers of two."""
    return channels <= MOST_CHANNELS and channels & (channels - 1) == 0


def norm_relu(
    norm: nn.BatchNorm2d,
    y: torch.Tensor,
    gate: torch.Tensor | None,
    residual: torch.Tensor | None,
    limit: float,
) -> torch.Tensor:
    """As fused.norm_relu, on contiguous [N, H, W, C]; also updates the running statistics."""
    return _NormRelu.apply(y, gate, residual, norm.weight, norm.bias, norm, limit)
