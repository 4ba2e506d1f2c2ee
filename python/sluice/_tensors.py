"""What a model says of its inputs, outputs, plan and gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt  # at run time milliseconds of import

ONNX_RUNTIME_TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)", "int8": "tensor(int8)"}


class TensorInfo(NamedTuple):
    """An input or output. Arrays are in ONNX order, [N, C, H, W] for images."""

    name: str
    shape: tuple[int | str, ...]
    """Extents; the name of the batch where any is taken."""
    dtype: np.dtype

    @property
    def type(self) -> str:
        """The element type as ONNX Runtime writes it: "tensor(float)"."""
        return ONNX_RUNTIME_TYPES[self.dtype.name]


class Step(NamedTuple):
    """A step of a model's plan: a call of a kernel."""

    node: str
    """Name of the ONNX node that it computes, or a part of it."""
    kernel: str
    algorithm: str
    """Of the kernel: "int8_conv", "positions" and the like."""
    shape: str
    """What it makes of what: "16x32x32 -> 16x32x32, 3x3"."""
    macs: int
    """Per image, whatever the gates say."""
    macs_per_entry: int
    """And for each position, or pair of two, that a gate leaves."""
    packed_bytes: int
    """Of its weights."""
    remark: str
    reads: tuple[int, ...]
    """Numbers of the earlier steps that wrote the memory that it reads, in ascending order."""
    inputs: tuple[str, ...]
    """Names of the model's inputs that it reads."""
    outputs: tuple[str, ...]
    """Names of the model's outputs that it writes."""


class Gate(NamedTuple):
    """A gated layer, and what its gate let through for the last image of the last run."""

    layer: str
    """Name of the gated convolution's ONNX node."""
    active: int
    """Gates that were not zero."""
    total: int
    values: npt.NDArray[np.float32] | None
    """The gates, [maps, height, width]: 1 map (per position), one per channel group, or one per
    output channel (per element). None where the model records no gates."""
    grid: int
    """Output pixels along each side that one gate governs."""
    macs: int
    """Of the convolution with nothing skipped."""
    skips: bool
    """False where all is computed, then multiplied by the gate."""

    @property
    def density(self) -> float:
        """The share of gates that were not zero."""
        return self.active / self.total if self.total else 1.0

    @property
    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Where the gates are not zero: bool, of the shape of values."""
        return None if self.values is None else self.values != 0
