"""3x3 convolutions with few channels on an NVIDIA accelerator, each with its gate's branch.

A convolution of 16 to 64 channels reads and writes little and computes less; cuDNN's tiles are made
for more channels, and a branch by its side reads the same input again. The kernels of conv_kernels.py
read it once for both, and write one gradient of it. Activations are [N, H, W, C], weights float32
[K, 3, 3, C], both row-major.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
from torch import nn

from sluice_training.conv_kernels import convolve_kernel, input_gradient, weight_gradient
from sluice_training.fused_triton import pointer

# What the branch is: none, one 3x3 map, a 1x1 map per output channel.
BARE, ONE_MAP, CENTRE_MAPS = range(3)
CHANNELS = (16, 32, 64)
IMAGE_CHANNELS = 3


class Tile(NamedTuple):
    """How a kernel cuts its work; `splits` is how many programs share the positions."""

    whole_row: bool
    block: int
    warps: int = 4
    stages: int = 3
    splits: int = 0

    def flags(self, channels: int) -> dict[str, Any]:
        columns = triton.next_power_of_2(3 * channels) if self.whole_row else channels
        return {
            "WHOLE_ROW": self.whole_row,
            "COLUMNS": columns,
            "BLOCK": self.block,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }


# Measured on an H100 with a 3x3 branch, a batch of 128 and 32x32 images, four streams at a time.
def forward_tile(inputs: int) -> Tile:
    return Tile(True, 128, warps=8, stages=1) if inputs < 32 else Tile(False, 128)


def input_gradient_tile(outputs: int, stride: int) -> Tile:
    if outputs < 32:
        return Tile(True, 256, warps=8, stages=1)
    return Tile(False, 128, warps=8 if outputs >= 64 and stride == 1 else 4)


def weight_gradient_tile(inputs: int) -> Tile:
    if inputs < 64:
        return Tile(True, 128 if inputs < 32 else 64, stages=2, splits=128 if inputs < 32 else 64)
    return Tile(False, 128, stages=2, splits=16)


class _Shapes:
    """Sizes of one convolution: x [N, H, W, C] -> [N, H', W', K]."""

    def __init__(self, x: torch.Tensor, weight: torch.Tensor, stride: int, branch: int) -> None:
        self.images, height, width, self.inputs = x.shape
        self.outputs = weight.shape[0]
        self.stride = stride
        self.size = (height, width)
        self.out_size = tuple((side - 1) // stride + 1 for side in self.size)
        self.flags = {
            "INPUTS": self.inputs, "OUTPUTS": self.outputs, "BRANCH": branch, "STRIDE": stride,
        }  # fmt: skip

    @property
    def positions(self) -> int:
        return self.images * self.out_size[0] * self.out_size[1]

    def outward(self) -> dict[str, int]:
        return {
            "HEIGHT": self.out_size[0], "WIDTH": self.out_size[1],
            "SOURCE_HEIGHT": self.size[0], "SOURCE_WIDTH": self.size[1], **self.flags,
        }  # fmt: skip

    def inward(self, detached: bool) -> dict[str, int]:
        through = {"BRANCH": BARE} if detached else {}
        return {
            "HEIGHT": self.size[0], "WIDTH": self.size[1],
            "OUT_HEIGHT": self.out_size[0], "OUT_WIDTH": self.out_size[1], **self.flags, **through,
        }  # fmt: skip


def _rows(weight: torch.Tensor) -> torch.Tensor:
    """[K, C, 3, 3] -> [K, 3, 3, C] row-major: a view of channels-last weights."""
    return weight.permute(0, 2, 3, 1).contiguous()


def _launch_convolve(
    shapes: _Shapes, x, weight, branch_weight, kind: torch.dtype, bias=None, residual=None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    out = x.new_empty((shapes.images, *shapes.out_size, shapes.outputs), dtype=kind)
    branch = shapes.flags["BRANCH"]
    maps = shapes.outputs if branch == CENTRE_MAPS else 1
    branch_out = None if branch == BARE else out.new_empty((*out.shape[:3], maps))
    tile = forward_tile(shapes.inputs)
    convolve_kernel[(triton.cdiv(shapes.positions, tile.block),)](
        x, weight, out, pointer(branch_weight, weight), pointer(branch_out, out), pointer(bias, weight),
        pointer(residual, out), shapes.positions, EPILOGUE=bias is not None,
        RESIDUAL=residual is not None, **shapes.outward(), **tile.flags(shapes.inputs),
    )  # fmt: skip
    return out, branch_out


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x, weight, branch_weight, stride: int, kind: torch.dtype, detached: bool
    ):
        branch = BARE if branch_weight is None else _branch_of(branch_weight)
        shapes = _Shapes(x, weight, stride, branch)
        rows = _rows(weight)
        branch_rows = None if branch_weight is None else _rows(branch_weight)
        y, branch_y = _launch_convolve(shapes, x, rows, branch_rows, kind)
        ctx.save_for_backward(x, rows, branch_rows)
        ctx.shapes, ctx.detached = shapes, detached
        return y, branch_y

    @staticmethod
    def backward(ctx: Any, dy, dbranch):
        x, weight, branch_weight = ctx.saved_tensors
        shapes: _Shapes = ctx.shapes
        dy = dy.contiguous()
        dbranch = None if branch_weight is None else dbranch.contiguous()
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.empty_like(x)
            tile = input_gradient_tile(shapes.outputs, shapes.stride)
            input_gradient[(triton.cdiv(x.numel() // shapes.inputs, tile.block),)](
                dy, weight, dx, pointer(branch_weight, weight), pointer(dbranch, dy),
                x.numel() // shapes.inputs, **shapes.inward(ctx.detached),
                **tile.flags(shapes.outputs),
            )  # fmt: skip
        count = 0 if branch_weight is None else branch_weight.numel()
        both = torch.zeros(weight.numel() + count, dtype=torch.float32, device=x.device)
        dweight, dbranch_weight = both[: weight.numel()], both[weight.numel() :]
        tile = weight_gradient_tile(shapes.inputs)
        splits = min(triton.cdiv(shapes.positions, tile.block), tile.splits)
        weight_gradient[(splits, 3 if tile.whole_row else 9)](
            x, dy, dweight, pointer(dbranch, dy), dbranch_weight if count else dweight,
            shapes.positions, **shapes.outward(), **tile.flags(shapes.inputs),
        )  # fmt: skip
        dweight = dweight.view(weight.shape).permute(0, 3, 1, 2)
        if not count:
            return dx, dweight, None, None, None, None
        dbranch_weight = dbranch_weight.view(branch_weight.shape).permute(0, 3, 1, 2)
        return dx, dweight, dbranch_weight, None, None, None


def _branch_of(weight: torch.Tensor) -> int:
    return CENTRE_MAPS if weight.shape[2:] == (1, 1) else ONE_MAP


def takes_branch(conv: nn.Conv2d, branch: nn.Conv2d) -> bool:
    """Whether a convolution that is taken takes this branch along: one 3x3 map, or 1x1 maps."""
    outputs, inputs = conv.weight.shape[:2]
    shape, padding = tuple(branch.weight.shape), tuple(branch.padding)
    return (
        inputs in CHANNELS
        and branch.bias is None
        and branch.stride == conv.stride
        and (
            (shape == (1, inputs, 3, 3) and padding == (1, 1) and branch.dilation == (1, 1))
            or (shape == (outputs, inputs, 1, 1) and padding == (0, 0))
        )
    )


def takes(conv: nn.Conv2d) -> bool:
    """Whether the kernels know this convolution: 3x3, padded by 1, of 16, 32 or 64 channels."""
    return (
        conv.kernel_size == (3, 3)
        and conv.stride in ((1, 1), (2, 2))
        and conv.padding == (1, 1)
        and conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and conv.out_channels in CHANNELS
        and conv.in_channels in (IMAGE_CHANNELS, *CHANNELS)
        and conv.weight.dtype == torch.float32
    )


def convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    branch_weight: torch.Tensor | None,
    stride: int,
    kind: torch.dtype,
    detached: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """conv(x) and the branch of x, both of type `kind`, with their gradients.

    x: contiguous [N, H, W, C]. weight: [K, C, 3, 3]; branch_weight: [1, C, 3, 3] or [K, C, 1, 1].
    detached: x takes no gradient through the branch.
    Returns [N, H', W', K] and [N, H', W', 1 or K].
    """
    return _Convolution.apply(x, weight, branch_weight, stride, kind, detached)


def convolve_relu(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    residual: torch.Tensor | None,
    stride: int,
    kind: torch.dtype,
) -> torch.Tensor:
    """relu(conv(x) + bias + residual) of type `kind`, without gradients; shapes as `convolve`'s."""
    shapes = _Shapes(x, weight, stride, BARE)
    return _launch_convolve(shapes, x, _rows(weight), None, kind, bias, residual)[0]
