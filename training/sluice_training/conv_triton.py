"""3x3 convolutions with few channels on an NVIDIA accelerator, each with its gate's branch.

A convolution of 16 to 64 channels reads and writes little and computes less; cuDNN's tiles are made for
more channels, and a branch by its side reads the same input again. These kernels read it once for both,
and write one gradient of it. Activations are [N, H, W, C], weights float32 [K, 3, 3, C], both row-major;
a tile's columns are one tap's channels, or a row's three taps, which lie side by side in memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import nn

# What the branch is: none, one 3x3 map, a 1x1 map an output channel.
BARE, ONE_MAP, CENTRE_MAPS = range(3)
# The columns of a product whose first alone counts: the matrix units take no fewer.
LEAST_COLUMNS = tl.constexpr(16)
CHANNELS = (16, 32, 64)
PICTURE_CHANNELS = 3


@triton.jit
def _coordinates(rows, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    return rows // (HEIGHT * WIDTH), (rows // WIDTH) % HEIGHT, rows % WIDTH


@triton.jit
def _taps(
    source, picture, row, column, inside, index, columns,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, WHOLE_ROW: tl.constexpr,
    UP: tl.constexpr, DOWN: tl.constexpr,
):  # fmt: skip
    """[BLOCK, columns] of `source` under tap `index`, or under row `index` of the taps.

    A position reads at (position * UP + tap - 1) / DOWN where that is whole and in the picture.
    """
    if WHOLE_ROW:
        down, first = index, 0
        across = columns // CHANNELS
    else:
        down, first = index // 3, index % 3
        across = columns * 0
    y = row * UP + down - 1
    x = column[:, None] * UP + first + across[None, :] - 1
    known = inside & (y >= 0) & (y < HEIGHT * DOWN) & (y % DOWN == 0)
    known = known[:, None] & (x >= 0) & (x < WIDTH * DOWN) & (x % DOWN == 0)
    if WHOLE_ROW:
        known = known & (across < 3)[None, :]
        start = (picture * HEIGHT + y) * WIDTH + column * UP - 1
        offsets = start[:, None] * CHANNELS + columns[None, :]
    else:
        start = (picture * HEIGHT + y // DOWN) * WIDTH
        offsets = (start[:, None] + x // DOWN) * CHANNELS + columns[None, :]
    return tl.load(source + offsets, mask=known, other=0.0)


@triton.jit
def _all_taps(
    source, picture, row, column, inside, taps, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    DOWN: tl.constexpr,
):  # fmt: skip
    """[BLOCK, taps] of a single map, as `_taps` with UP = 1; zero from the ninth tap on."""
    y = row[:, None] + (taps // 3)[None, :] - 1
    x = column[:, None] + (taps % 3)[None, :] - 1
    known = inside[:, None] & (taps < 9)[None, :] & (y % DOWN == 0) & (x % DOWN == 0)
    known = known & (y >= 0) & (y < HEIGHT * DOWN) & (x >= 0) & (x < WIDTH * DOWN)
    offsets = (picture[:, None] * HEIGHT + y // DOWN) * WIDTH + x // DOWN
    return tl.load(source + offsets, mask=known, other=0.0)


@triton.jit
def _convolve(
    x, weight, out, branch_weight, branch_out, bias, residual, positions,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SOURCE_HEIGHT: tl.constexpr,
    SOURCE_WIDTH: tl.constexpr, INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, BRANCH: tl.constexpr,
    EPILOGUE: tl.constexpr, RESIDUAL: tl.constexpr, STRIDE: tl.constexpr, WHOLE_ROW: tl.constexpr,
    COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out = conv(x), and the branch of x; with EPILOGUE relu(conv(x) + bias + residual)."""
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < positions
    picture, row, column = _coordinates(rows, HEIGHT, WIDTH)
    columns, outputs = tl.arange(0, COLUMNS), tl.arange(0, OUTPUTS)
    tile_taps: tl.constexpr = 3 if WHOLE_ROW else 1
    exists = columns < tile_taps * INPUTS
    kind: tl.constexpr = out.dtype.element_ty
    total = tl.zeros([BLOCK, OUTPUTS], tl.float32)
    if BRANCH == 1:
        first = tl.arange(0, LEAST_COLUMNS) == 0
        branch_total = tl.zeros([BLOCK, LEAST_COLUMNS], tl.float32)
    for index in tl.range(0, 9 // tile_taps):
        tile = _taps(
            x, picture, row, column, inside, index, columns, SOURCE_HEIGHT, SOURCE_WIDTH, INPUTS,
            WHOLE_ROW, STRIDE, 1,
        ).to(kind)  # fmt: skip
        at = index * tile_taps * INPUTS + columns
        offsets = at[:, None] + outputs[None, :] * (9 * INPUTS)
        factors = tl.load(weight + offsets, mask=exists[:, None], other=0.0)
        total = tl.dot(tile, factors.to(kind), total, input_precision="ieee")
        if BRANCH == 1:
            wanted = exists[:, None] & first[None, :]
            branch = tl.load(branch_weight + at[:, None] + first[None, :] * 0, mask=wanted, other=0.0)
            branch_total = tl.dot(tile, branch.to(kind), branch_total, input_precision="ieee")
    offsets = rows[:, None] * OUTPUTS + outputs[None, :]
    if BRANCH == 1:
        # All columns but the first are zero.
        tl.store(branch_out + rows, tl.sum(branch_total, axis=1).to(kind), mask=inside)
    if BRANCH == 2:
        inputs = tl.arange(0, INPUTS)
        tile = _taps(
            x, picture, row, column, inside, 4, inputs, SOURCE_HEIGHT, SOURCE_WIDTH, INPUTS, False,
            STRIDE, 1,
        ).to(kind)  # fmt: skip
        branch = tl.load(branch_weight + inputs[:, None] + outputs[None, :] * INPUTS)
        maps = tl.dot(tile, branch.to(kind), input_precision="ieee")
        tl.store(branch_out + offsets, maps.to(kind), mask=inside[:, None])
    if EPILOGUE:
        total += tl.load(bias + outputs)[None, :]
        if RESIDUAL:
            total += tl.load(residual + offsets, mask=inside[:, None], other=0.0).to(tl.float32)
        total = tl.maximum(total, 0.0)
    tl.store(out + offsets, total.to(kind), mask=inside[:, None])


@triton.jit
def _input_gradient(
    dy, weight, dx, branch_weight, dbranch, positions,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr,
    INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, BRANCH: tl.constexpr, STRIDE: tl.constexpr,
    WHOLE_ROW: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """dx = the transposed convolution of dy, and of the branch's gradient by its side."""
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < positions
    picture, row, column = _coordinates(rows, HEIGHT, WIDTH)
    columns, inputs = tl.arange(0, COLUMNS), tl.arange(0, INPUTS)
    tile_taps: tl.constexpr = 3 if WHOLE_ROW else 1
    exists = columns < tile_taps * OUTPUTS
    kind: tl.constexpr = dx.dtype.element_ty
    total = tl.zeros([BLOCK, INPUTS], tl.float32)
    for index in tl.range(0, 9 // tile_taps):
        tile = _taps(
            dy, picture, row, column, inside, index, columns, OUT_HEIGHT, OUT_WIDTH, OUTPUTS,
            WHOLE_ROW, 1, STRIDE,
        ).to(kind)  # fmt: skip
        # Seen from the input the taps run backwards.
        tap = 8 - index * tile_taps - columns // OUTPUTS
        at = (columns % OUTPUTS) * 9 + tap
        offsets = at[:, None] * INPUTS + inputs[None, :]
        factors = tl.load(weight + offsets, mask=exists[:, None], other=0.0)
        total = tl.dot(tile, factors.to(kind), total, input_precision="ieee")
    if BRANCH == 1:
        taps = tl.arange(0, LEAST_COLUMNS)
        tile = _all_taps(
            dbranch, picture, row, column, inside, taps, OUT_HEIGHT, OUT_WIDTH, STRIDE
        ).to(kind)  # fmt: skip
        offsets = (8 - taps)[:, None] * INPUTS + inputs[None, :]
        factors = tl.load(branch_weight + offsets, mask=(taps < 9)[:, None], other=0.0)
        total = tl.dot(tile, factors.to(kind), total, input_precision="ieee")
    if BRANCH == 2:
        outputs = tl.arange(0, OUTPUTS)
        tile = _taps(
            dbranch, picture, row, column, inside, 4, outputs, OUT_HEIGHT, OUT_WIDTH, OUTPUTS, False,
            1, STRIDE,
        ).to(kind)  # fmt: skip
        factors = tl.load(branch_weight + outputs[:, None] * INPUTS + inputs[None, :])
        total = tl.dot(tile, factors.to(kind), total, input_precision="ieee")
    offsets = rows[:, None] * INPUTS + inputs[None, :]
    tl.store(dx + offsets, total.to(kind), mask=inside[:, None])


@triton.jit
def _weight_gradient(
    x, dy, dweight, dbranch, dbranch_weight, positions,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SOURCE_HEIGHT: tl.constexpr,
    SOURCE_WIDTH: tl.constexpr, INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, BRANCH: tl.constexpr,
    STRIDE: tl.constexpr, WHOLE_ROW: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Adds to dweight and dbranch_weight what some positions give to one tile of the taps."""
    index = tl.program_id(1)
    columns, outputs = tl.arange(0, COLUMNS), tl.arange(0, OUTPUTS)
    tile_taps: tl.constexpr = 3 if WHOLE_ROW else 1
    kind: tl.constexpr = dy.dtype.element_ty
    first = tl.arange(0, LEAST_COLUMNS) == 0
    total = tl.zeros([COLUMNS, OUTPUTS], tl.float32)
    one_map = tl.zeros([COLUMNS, LEAST_COLUMNS], tl.float32)
    maps = tl.zeros([COLUMNS, OUTPUTS], tl.float32)
    for start in tl.range(tl.program_id(0) * BLOCK, positions, tl.num_programs(0) * BLOCK):
        rows = start + tl.arange(0, BLOCK)
        inside = rows < positions
        picture, row, column = _coordinates(rows, HEIGHT, WIDTH)
        tile = _taps(
            x, picture, row, column, inside, index, columns, SOURCE_HEIGHT, SOURCE_WIDTH, INPUTS,
            WHOLE_ROW, STRIDE, 1,
        ).to(kind)  # fmt: skip
        turned = tl.trans(tile)
        offsets = rows[:, None] * OUTPUTS + outputs[None, :]
        gradient = tl.load(dy + offsets, mask=inside[:, None], other=0.0)
        total = tl.dot(turned, gradient, total, input_precision="ieee")
        if BRANCH == 1:
            wanted = inside[:, None] & first[None, :]
            gradient = tl.load(dbranch + rows[:, None] + first[None, :] * 0, mask=wanted, other=0.0)
            one_map = tl.dot(turned, gradient, one_map, input_precision="ieee")
        if BRANCH == 2:
            if index == 4 // tile_taps:  # the centre's
                gradient = tl.load(dbranch + offsets, mask=inside[:, None], other=0.0)
                maps = tl.dot(turned, gradient, maps, input_precision="ieee")
    exists = columns < tile_taps * INPUTS
    at = index * tile_taps * INPUTS + columns
    offsets = at[:, None] + outputs[None, :] * (9 * INPUTS)
    tl.atomic_add(dweight + offsets, total, mask=exists[:, None], sem="relaxed")
    if BRANCH == 1:
        tl.atomic_add(dbranch_weight + at, tl.sum(one_map, axis=1), mask=exists, sem="relaxed")
    if BRANCH == 2:
        centred = (at // INPUTS == 4) & exists
        offsets = (at % INPUTS)[:, None] + outputs[None, :] * INPUTS
        tl.atomic_add(dbranch_weight + offsets, maps, mask=centred[:, None], sem="relaxed")


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


# Measured on an H100 with a 3x3 branch, a batch of 128 and 32x32 pictures, four streams at a time.
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
        self.pictures, height, width, self.inputs = x.shape
        self.outputs = weight.shape[0]
        self.stride = stride
        self.size, self.out_size = (height, width), tuple((s - 1) // stride + 1 for s in (height, width))
        self.flags = {
            "INPUTS": self.inputs, "OUTPUTS": self.outputs, "BRANCH": branch, "STRIDE": stride,
        }  # fmt: skip

    @property
    def positions(self) -> int:
        return self.pictures * self.out_size[0] * self.out_size[1]

    def outward(self) -> dict[str, int]:
        return {
            "HEIGHT": self.out_size[0], "WIDTH": self.out_size[1],
            "SOURCE_HEIGHT": self.size[0], "SOURCE_WIDTH": self.size[1], **self.flags,
        }  # fmt: skip

    def inward(self) -> dict[str, int]:
        return {
            "HEIGHT": self.size[0], "WIDTH": self.size[1],
            "OUT_HEIGHT": self.out_size[0], "OUT_WIDTH": self.out_size[1], **self.flags,
        }  # fmt: skip


def _rows(weight: torch.Tensor) -> torch.Tensor:
    """[K, C, 3, 3] -> [K, 3, 3, C] row-major: a view of channels-last weights."""
    return weight.permute(0, 2, 3, 1).contiguous()


def _launch_convolve(
    shapes: _Shapes, x, weight, branch_weight, kind: torch.dtype, bias=None, residual=None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    out = x.new_empty((shapes.pictures, *shapes.out_size, shapes.outputs), dtype=kind)
    branch = shapes.flags["BRANCH"]
    maps = shapes.outputs if branch == CENTRE_MAPS else 1
    branch_out = None if branch == BARE else out.new_empty((*out.shape[:3], maps))
    tile = forward_tile(shapes.inputs)
    _convolve[(triton.cdiv(shapes.positions, tile.block),)](
        x, weight, out, _or(branch_weight, weight), _or(branch_out, out), _or(bias, weight),
        _or(residual, out), shapes.positions, EPILOGUE=bias is not None,
        RESIDUAL=residual is not None, **shapes.outward(), **tile.flags(shapes.inputs),
    )  # fmt: skip
    return out, branch_out


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x, weight, branch_weight, stride: int, kind: torch.dtype):
        branch = BARE if branch_weight is None else _branch_of(branch_weight)
        shapes = _Shapes(x, weight, stride, branch)
        rows = _rows(weight)
        branch_rows = None if branch_weight is None else _rows(branch_weight)
        y, branch_y = _launch_convolve(shapes, x, rows, branch_rows, kind)
        ctx.save_for_backward(x, rows, branch_rows)
        ctx.shapes = shapes
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
            _input_gradient[(triton.cdiv(x.numel() // shapes.inputs, tile.block),)](
                dy, weight, dx, _or(branch_weight, weight), _or(dbranch, dy),
                x.numel() // shapes.inputs, **shapes.inward(), **tile.flags(shapes.outputs),
            )  # fmt: skip
        count = 0 if branch_weight is None else branch_weight.numel()
        both = torch.zeros(weight.numel() + count, dtype=torch.float32, device=x.device)
        dweight, dbranch_weight = both[: weight.numel()], both[weight.numel() :]
        tile = weight_gradient_tile(shapes.inputs)
        splits = min(triton.cdiv(shapes.positions, tile.block), tile.splits)
        _weight_gradient[(splits, 3 if tile.whole_row else 9)](
            x, dy, dweight, _or(dbranch, dy), dbranch_weight if count else dweight,
            shapes.positions, **shapes.outward(), **tile.flags(shapes.inputs),
        )  # fmt: skip
        dweight = dweight.view(weight.shape).permute(0, 3, 1, 2)
        if not count:
            return dx, dweight, None, None, None
        dbranch_weight = dbranch_weight.view(branch_weight.shape).permute(0, 3, 1, 2)
        return dx, dweight, dbranch_weight, None, None


def _or(tensor: torch.Tensor | None, other: torch.Tensor) -> torch.Tensor:
    """A pointer that a kernel does not read where there is no tensor."""
    return other if tensor is None else tensor


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
        and conv.in_channels in (PICTURE_CHANNELS, *CHANNELS)
        and conv.weight.dtype == torch.float32
    )


def convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    branch_weight: torch.Tensor | None,
    stride: int,
    kind: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """conv(x) and the branch of x, both of type `kind`, with their gradients.

    x: contiguous [N, H, W, C]. weight: [K, C, 3, 3]; branch_weight: [1, C, 3, 3] or [K, C, 1, 1].
    Returns [N, H', W', K] and [N, H', W', 1 or K].
    """
    return _Convolution.apply(x, weight, branch_weight, stride, kind)


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
