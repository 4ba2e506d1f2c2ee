"""Initialisers as arrays."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def array_of(tensor: onnx.TensorProto) -> np.ndarray | None:
    """A copy of its values; None where it has none, as after a mutation, or has them elsewhere."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    try:
        return numpy_helper.to_array(tensor).copy()
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError):
        return None


def floats_of(graph: onnx.GraphProto) -> list[tuple[onnx.TensorProto, np.ndarray]]:
    """The float32 initialisers that can be read."""
    floats = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    pairs = [(tensor, array_of(tensor)) for tensor in floats]
    return [(tensor, array) for tensor, array in pairs if array is not None]
