"""Fused operators for training: batch norm, gate, residual and ReLU in two passes.

Plain PyTorch reads and writes every activation about ten times per step for them, and convolves
with a single output map at the price of sixteen. `enable` compiles `fused.cpp` with the machine's
C++ compiler for the CPU, and takes the Triton kernels of `fused_triton.py` on an NVIDIA accelerator;
without it, and in evaluation mode and for shapes that the fused operators do not know, the same
functions run as plain PyTorch.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import math
import os
import platform
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sluice_training.errors import TrainingError

SOURCE = Path(__file__).with_name("fused.cpp")
CACHE = Path(__file__).resolve().parent.parent / ".cache"
FLAGS = (
    "-std=c++20 -O3 -march=native -mprefer-vector-width=512 -fopenmp-simd -fno-math-errno "
    "-shared -fPIC"
).split()
SUFFIXES = {torch.float32: "float", torch.bfloat16: "bfloat16"}
NONE, POSITION, ELEMENT, MASK = range(4)

# cuDNN's matrix units take output maps in eights.
LEAST_MAPS_ON_CUDA = 8

_library: ctypes.CDLL | None = None
_triton: ModuleType | None = None
_conv_triton: ModuleType | None = None


def enable(on: bool = True, device: torch.device | None = None) -> None:
    """Switch the fused operators for a device, the CPU if none is given, on or off; then all are off.

    Raises TrainingError where there is no C++ compiler or it refuses the source, and for a CUDA
    device where Triton is missing.
    """
    global _library, _triton, _conv_triton
    on_cuda = device is not None and device.type == "cuda"
    if not on:
        _library = _triton = _conv_triton = None
    elif on_cuda and _triton is None:
        try:
            _triton = importlib.import_module("sluice_training.fused_triton")
            _conv_triton = importlib.import_module("sluice_training.conv_triton")
        except ImportError as error:
            raise TrainingError(f"--speed fused needs Triton ({error}); use --speed plain") from error
    elif not on_cuda and _library is None:
        _library = ctypes.CDLL(str(_compiled()))


def is_enabled() -> bool:
    return _library is not None or _triton is not None


def _compiled() -> Path:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise TrainingError("--speed fused needs g++ or clang++; install one or use --speed plain")
    # -march=native: a library of another machine that shares the folder must not be taken.
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), platform.processor())
    key = hashlib.sha256(repr((SOURCE.read_bytes(), FLAGS, compiler, flags)).encode())
    path = CACHE / f"fused-{key.hexdigest()[:16]}.so"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        command = [compiler, *FLAGS, "-o", str(aside), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            what = next(iter(done.stderr.splitlines()), "no message")
            raise TrainingError(f"{SOURCE.name}: {compiler} fails ({what}); use --speed plain")
        os.replace(aside, path)
    return path


def _call(name: str, dtype: torch.dtype, *arguments: Any) -> None:
    assert _library is not None
    function = getattr(_library, f"{name}_{SUFFIXES[dtype]}")
    function.restype = None
    converted = [
        ctypes.c_void_p(a.data_ptr() if isinstance(a, torch.Tensor) else None)
        if a is None or isinstance(a, torch.Tensor)
        else ctypes.c_float(a)
        if isinstance(a, float)
        else ctypes.c_long(a)
        if isinstance(a, int)
        else a
        for a in arguments
    ]
    function(*converted)


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    """[N, C, H, W] -> its values as a contiguous [N, H, W, C], a view where it can be one."""
    return x.permute(0, 2, 3, 1).contiguous()


class _NormRelu(torch.autograd.Function):
    """clamp(batch_norm(y * gate) + residual, 0, limit) on [N, H, W, C], and mean and variance.

    masks: the gate multiplies what the batch norm gives instead, as in `norm_mask_relu`.
    """

    @staticmethod
    def forward(ctx, y, gate, residual, weight, bias, epsilon, limit, masks):
        channels = y.shape[-1]
        positions = y.numel() // channels
        gating = NONE if gate is None else POSITION if gate.shape[-1] != channels else ELEMENT
        gating = MASK if masks else gating
        out = torch.empty_like(y)
        mean, variance = y.new_empty((2, channels), dtype=torch.float32)
        _call(
            "norm_relu_forward", y.dtype, y, gate, residual, out, mean, variance, weight, bias,
            epsilon, limit, positions, channels, gating,
        )  # fmt: skip
        ctx.save_for_backward(y, gate, out, weight, bias, mean, variance)
        ctx.has_residual = residual is not None
        ctx.sizes = (epsilon, limit, positions, channels, gating)
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    def backward(ctx, dout, _mean, _variance):
        y, gate, out, weight, bias, mean, variance = ctx.saved_tensors
        dy = torch.empty_like(y)
        dgate = None if gate is None else torch.empty_like(gate)
        dresidual = torch.empty_like(y) if ctx.has_residual else None
        dweight, dbias = torch.empty_like(weight), torch.empty_like(weight)
        _call(
            "norm_relu_backward", y.dtype, dout.contiguous(), out, y, gate, dy, dgate, dresidual,
            dweight, dbias, mean, variance, weight, bias, *ctx.sizes,
        )  # fmt: skip
        return dy, dgate, dresidual, dweight, dbias, None, None, None


def norm_relu(
    norm: nn.Module,
    y: torch.Tensor,
    gate: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    limit: float = math.inf,
) -> torch.Tensor:
    """clamp(norm(y * gate) + residual, 0, limit), [N, C, H, W]; the gate is [N, 1 or C, H, W]."""
    if not _can_fuse(norm, y, gate):
        y = norm(y if gate is None else y * gate)
        y = y if residual is None else y + residual
        return y.relu() if limit == math.inf else y.clamp(0.0, limit)
    parts = [None if t is None else _channels_last(t).to(y.dtype) for t in (y, gate, residual)]
    if y.device.type == "cuda":
        assert _triton is not None
        return _triton.norm_relu(norm, *parts, limit).permute(0, 3, 1, 2)
    return _apply(norm, parts, limit)


def norm_mask_relu(
    norm: nn.Module, y: torch.Tensor, mask: torch.Tensor, residual: torch.Tensor | None = None
) -> torch.Tensor:
    """relu(norm(y)) * mask, or relu(norm(y) * mask + residual), [N, C, H, W]; mask [N, 1, H, W].

    The mask's gradient is that of the product, at its zeros as well.
    """
    if y.device.type == "cuda" or not _can_fuse(norm, y, mask):
        if residual is None:
            return norm_relu(norm, y) * mask
        return (norm(y) * mask + residual).relu()
    parts = [None if t is None else _channels_last(t).to(y.dtype) for t in (y, mask, residual)]
    return _apply(norm, parts, math.inf, masks=True)


def _apply(
    norm: nn.BatchNorm2d, parts: list[torch.Tensor | None], limit: float, masks: bool = False
) -> torch.Tensor:
    """The operator on the CPU, and the norm's running statistics: [N, C, H, W]."""
    out, mean, variance = _NormRelu.apply(*parts, norm.weight, norm.bias, norm.eps, limit, masks)
    with torch.no_grad():
        count = out.numel() // out.shape[-1]
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
    return out.permute(0, 3, 1, 2)


def _can_fuse(norm: nn.Module, y: torch.Tensor, gate: torch.Tensor | None) -> bool:
    channels = y.shape[1]
    if y.device.type == "cuda":
        knows = _triton is not None and _triton.takes(channels)
    else:
        # One map: its loop over channels would be no vector.
        knows = _library is not None and y.device.type == "cpu" and channels > 1
    return (
        knows
        and y.dtype in SUFFIXES
        and isinstance(norm, nn.BatchNorm2d)
        and norm.training
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and channels < y.numel()
        and (gate is None or gate.shape[1] in (1, channels))
    )


def convolve(
    conv: nn.Conv2d, branch: nn.Conv2d | None, x: torch.Tensor, detached: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """conv(x) and branch(x), [N, K, H', W'] and [N, maps, H', W']; bf16 on an accelerator at once.

    detached: no gradient goes through the branch to x.
    """
    seen = x.detach() if detached else x
    if not _can_convolve(conv, x) or not conv.training or conv.bias is not None:
        return conv(x), None if branch is None else branch(seen)
    assert _conv_triton is not None
    apart = branch is not None and not _conv_triton.takes_branch(conv, branch)
    weight = None if branch is None or apart else branch.weight
    y, maps = _conv_triton.convolve(
        _channels_last(x), conv.weight, weight, conv.stride[0], torch.bfloat16, detached
    )
    if branch is not None:
        maps = branch(seen) if apart else maps.permute(0, 3, 1, 2)
    return y.permute(0, 3, 1, 2), maps


def convolve_relu(
    conv: nn.Conv2d, x: torch.Tensor, residual: torch.Tensor | None
) -> torch.Tensor:
    """relu(conv(x) + residual), [N, K, H', W'], for a network that does not learn."""
    if conv.bias is None or torch.is_grad_enabled() or not _can_convolve(conv, x):
        y = conv(x)
        return (y if residual is None else y + residual).relu()
    assert _conv_triton is not None
    kind = torch.bfloat16
    added = None if residual is None else _channels_last(residual).to(kind)
    y = _conv_triton.convolve_relu(
        _channels_last(x), conv.weight, conv.bias, added, conv.stride[0], kind
    )
    return y.permute(0, 3, 1, 2)


def _can_convolve(conv: nn.Conv2d, x: torch.Tensor) -> bool:
    return (
        _conv_triton is not None
        and x.device.type == "cuda"
        # int8.py computes such a convolution otherwise.
        and "forward" not in vars(conv)
        and torch.is_autocast_enabled("cuda")
        and torch.get_autocast_dtype("cuda") == torch.bfloat16
        and _conv_triton.takes(conv)
    )


class _Window(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_long)
        for name in ("images", "height", "width", "rows", "columns", "kernel", "stride", "pad")
    ]


class _SumTaps(torch.autograd.Function):
    """taps [k * k, N, H, W] -> z float32 [N, 1, H', W'], each tap read where its pixel lies."""

    @staticmethod
    def forward(ctx, taps, kernel, stride, pad):
        _, images, height, width = taps.shape
        rows = (height + 2 * pad - kernel) // stride + 1
        columns = (width + 2 * pad - kernel) // stride + 1
        window = _Window(images, height, width, rows, columns, kernel, stride, pad)
        z = torch.zeros(images, 1, rows, columns)
        _call("sum_taps", taps.dtype, taps, z, ctypes.byref(window))
        ctx.window, ctx.shape, ctx.dtype = window, taps.shape, taps.dtype
        return z

    @staticmethod
    def backward(ctx, dz):
        dtaps = torch.zeros(ctx.shape, dtype=ctx.dtype)
        _call("spread_taps", ctx.dtype, dz.contiguous(), dtaps, ctypes.byref(ctx.window))
        return dtaps, None, None, None


class OneMapConv2d(nn.Conv2d):
    """A convolution with one output map: on the CPU one matrix product and a shifted sum.

    The CPU's convolution costs as much for one output map as for a vector of them, so the nine
    products of a pixel are cheaper as nine planes. On an accelerator maps of zeros are added, so that
    its matrix units take part.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if _triton is not None and self.training and x.device.type == "cuda":
            padding = (0, 0, 0, 0, 0, 0, 0, LEAST_MAPS_ON_CUDA - 1)
            maps = self._conv_forward(x, functional.pad(self.weight, padding), None)
            return self._with_bias(maps[:, :1])
        square = self.kernel_size[0] == self.kernel_size[1] and len(set(self.stride)) == 1
        padded = not isinstance(self.padding, str) and len(set(self.padding)) == 1
        usual = square and padded and self.dilation == (1, 1) and self.kernel_size != (1, 1)
        if not (_library is not None and usual and self.training and x.device.type == "cpu"):
            return super().forward(x)
        kernel, pad = self.kernel_size[0], self.padding[0]
        images, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
        taps = self.weight[0].reshape(channels, -1).T @ pixels.T
        taps = taps.reshape(-1, images, height, width)
        return self._with_bias(_SumTaps.apply(taps, kernel, self.stride[0], pad))

    def _with_bias(self, z: torch.Tensor) -> torch.Tensor:
        return z if self.bias is None else z + self.bias
