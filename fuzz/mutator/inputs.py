"""Input sets for a model: finite ones first, then such that are not."""

from __future__ import annotations

import numpy as np
import onnx

MOST_ELEMENTS = 1 << 20


def input_shapes(model: onnx.ModelProto, batch: int) -> dict[str, tuple[int, ...]] | None:
    """Shapes of the inputs, symbolic extents at `batch`; None where one is none or too large."""
    given = {tensor.name for tensor in model.graph.initializer}
    shapes = {}
    for value in model.graph.input:
        if value.name in given or value.name in shapes:
            continue
        shape = tuple(
            d.dim_value if d.HasField("dim_value") else batch
            for d in value.type.tensor_type.shape.dim
        )
        # NumPy makes no array of [0, 2^62], though it holds nothing.
        elements = np.prod([max(extent, 1) for extent in shape], dtype=float)
        if any(extent < 0 for extent in shape) or elements > MOST_ELEMENTS:
            return None
        shapes[value.name] = shape
    return shapes


def make_sets(
    random: np.random.Generator, shapes: dict[str, tuple[int, ...]]
) -> list[dict[str, np.ndarray]]:
    """Two sets of normal values, the second larger or zeros; at times one of NaN or infinities."""

    def values(shape: tuple[int, ...], kind: str) -> np.ndarray:
        array = random.standard_normal(shape).astype(np.float32)
        if kind == "zeros":
            return np.zeros_like(array)
        if kind == "large":
            return array * np.float32(10)
        if kind in ("nan", "infinity") and array.size:
            places = random.integers(0, array.size, max(1, array.size // 50))
            array.flat[places] = np.nan if kind == "nan" else np.inf * random.choice([-1, 1])
        return array

    kinds = ["normal", str(random.choice(["large", "large", "zeros"]))]
    if random.random() < 0.3:
        kinds.append(str(random.choice(["nan", "infinity"])))
    return [{name: values(shape, kind) for name, shape in shapes.items()} for kind in kinds]
