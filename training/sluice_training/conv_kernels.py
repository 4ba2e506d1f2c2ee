"""Triton kernels of 3x3 convolutions and their gradients, with a gate's branch beside them.

A tile's columns are one tap's channels, or those of a row's three taps, which lie side by side in
memory.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Of a product whose first column alone counts: the matrix units take no fewer.
LEAST_COLUMNS = tl.constexpr(16)


@triton.jit
def _coordinates(rows, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    return rows // (HEIGHT * WIDTH), (rows // WIDTH) % HEIGHT, rows % WIDTH


@triton.jit
def _taps(
    source, image, row, column, inside, index, columns,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, WHOLE_ROW: tl.constexpr,
    UP: tl.constexpr, DOWN: tl.constexpr,
):  # fmt: skip
    """[BLOCK, columns] of `source` under tap `index`, or under row `index` of the taps.

    A position reads at (position * UP + tap - 1) / DOWN where that is whole and in the image.
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
        start = (image * HEIGHT + y) * WIDTH + column * UP - 1
        offsets = start[:, None] * CHANNELS + columns[None, :]
    else:
        start = (image * HEIGHT + y // DOWN) * WIDTH
        offsets = (start[:, None] + x // DOWN) * CHANNELS + columns[None, :]
    return tl.load(source + offsets, mask=known, other=0.0)


@triton.jit
def _all_taps(
    source, image, row, column, inside, taps, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    DOWN: tl.constexpr,
):  # fmt: skip
    """[BLOCK, taps] of a single map, as `_taps` with UP = 1; zero from the ninth tap on."""
    y = row[:, None] + (taps // 3)[None, :] - 1
    x = column[:, None] + (taps % 3)[None, :] - 1
    known = inside[:, None] & (taps < 9)[None, :] & (y % DOWN == 0) & (x % DOWN == 0)
    known = known & (y >= 0) & (y < HEIGHT * DOWN) & (x >= 0) & (x < WIDTH * DOWN)
    offsets = (image[:, None] * HEIGHT + y // DOWN) * WIDTH + x // DOWN
    return tl.load(source + offsets, mask=known, other=0.0)


@triton.jit
def convolve_kernel(
    x, weight, out, branch_weight, branch_out, bias, residual, positions,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SOURCE_HEIGHT: tl.constexpr,
    SOURCE_WIDTH: tl.constexpr, INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, BRANCH: tl.constexpr,
    EPILOGUE: tl.constexpr, RESIDUAL: tl.constexpr, STRIDE: tl.constexpr, WHOLE_ROW: tl.constexpr,
    COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out = conv(x), and the branch of x; with EPILOGUE relu(conv(x) + bias + residual)."""
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < positions
    image, row, column = _coordinates(rows, HEIGHT, WIDTH)
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
            x, image, row, column, inside, index, columns, SOURCE_HEIGHT, SOURCE_WIDTH, INPUTS,
            WHOLE_ROW, STRIDE, 1,
        ).to(kind)  # fmt: skip
        at = index * tile_taps * INPUTS + columns
        offsets = at[:, None] + outputs[None, :] * (9 * INPUTS)
        factors = tl.load(weight + offsets, mask=exists[:, None], other=0.0)
        total = tl.dot(tile, factors.to(kind), total, input_precision="ieee")
        if BRANCH == 1:
            wanted = exists[:, None] & first[None, :]
            offsets = at[:, None] + first[None, :] * 0
            branch = tl.load(branch_weight + offsets, mask=wanted, other=0.0)
            branch_total = tl.dot(tile, branch.to(kind), branch_total, input_precision="ieee")
    offsets = rows[:, None] * OUTPUTS + outputs[None, :]
    if BRANCH == 1:
        # All columns but the first are zero.
        tl.store(branch_out + rows, tl.sum(branch_total, axis=1).to(kind), mask=inside)
    if BRANCH == 2:
        inputs = tl.arange(0, INPUTS)
        tile = _taps(
            x, image, row, column, inside, 4, inputs, SOURCE_HEIGHT, SOURCE_WIDTH, INPUTS, False,
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
def input_gradient(
    dy, weight, dx, branch_weight, dbranch, positions,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr,
    INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, BRANCH: tl.constexpr, STRIDE: tl.constexpr,
    WHOLE_ROW: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """dx = the transposed convolution of dy, and of the branch's gradient by its side."""
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < positions
    image, row, column = _coordinates(rows, HEIGHT, WIDTH)
    columns, inputs = tl.arange(0, COLUMNS), tl.arange(0, INPUTS)
    tile_taps: tl.constexpr = 3 if WHOLE_ROW else 1
    exists = columns < tile_taps * OUTPUTS
    kind: tl.constexpr = dx.dtype.element_ty
    total = tl.zeros([BLOCK, INPUTS], tl.float32)
    for index in tl.range(0, 9 // tile_taps):
        tile = _taps(
            dy, image, row, column, inside, index, columns, OUT_HEIGHT, OUT_WIDTH, OUTPUTS,
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
            dbranch, image, row, column, inside, taps, OUT_HEIGHT, OUT_WIDTH, STRIDE
        ).to(kind)  # fmt: skip
        offsets = (8 - taps)[:, None] * INPUTS + inputs[None, :]
        factors = tl.load(branch_weight + offsets, mask=(taps < 9)[:, None], other=0.0)
        total = tl.dot(tile, factors.to(kind), total, input_precision="ieee")
    if BRANCH == 2:
        outputs = tl.arange(0, OUTPUTS)
        tile = _taps(
            dbranch, image, row, column, inside, 4, outputs, OUT_HEIGHT, OUT_WIDTH, OUTPUTS,
            False, 1, STRIDE,
        ).to(kind)  # fmt: skip
        factors = tl.load(branch_weight + outputs[:, None] * INPUTS + inputs[None, :])
        total = tl.dot(tile, factors.to(kind), total, input_precision="ieee")
    offsets = rows[:, None] * INPUTS + inputs[None, :]
    tl.store(dx + offsets, total.to(kind), mask=inside[:, None])


@triton.jit
def weight_gradient(
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
        image, row, column = _coordinates(rows, HEIGHT, WIDTH)
        tile = _taps(
            x, image, row, column, inside, index, columns, SOURCE_HEIGHT, SOURCE_WIDTH, INPUTS,
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
