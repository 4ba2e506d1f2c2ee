"""Gates per residual block: y = shortcut(x) + g * F(x), all convolutions of F under the same g.

A position that g skips is then the shortcut's alone. Source: Verelst and Tuytelaars, "Dynamic
Convolutions: Exploiting Spatial Sparsity for Faster Inference" (CVPR 2020); for squares of several
positions Han et al., "Latency-aware Spatial-wise Dynamic Networks" (NeurIPS 2022); for whole maps
Veit and Belongie, "Convolutional Networks with Adaptive Inference Graphs" (ECCV 2018).
"""

from __future__ import annotations

from builder import Builder, Value
from errors import SyntheticError
from gates import GRAINS, WHOLE_MAP, Gate, clipped, repeated


def parse_grains(text: str) -> tuple[int | None, ...]:
    """'4,4,2,map' as a spec's grains."""
    names = text.split(",")
    for name in names:
        if name not in GRAINS:
            raise SyntheticError(f"grain '{name}' is unknown; use one of {', '.join(GRAINS)}")
    return tuple(GRAINS[name] for name in names)


class BlockGate:
    """The gate of a block by its input x [N, C, H, W], of a stride: one value for every grain x
    grain outputs of the block, or one for all.

    At grain 1 a 3x3 branch reads x. At coarser grains it reads the maxima of what each gate's
    outputs lie over. For the whole map a 1x1 branch reads the mean.
    """

    def __init__(
        self, builder: Builder, x: Value, name: str, stride: int, grain: int, density: float
    ) -> None:
        self._builder = builder
        self._name = f"{name}.gate"
        self._stride = stride
        self._grain = grain
        self._input_extents = x.data.shape[2:]
        self._masks: dict[int, Value] = {}
        self._convs: list[str] = []
        pooled, form = self._pooled(x)
        self._gate = clipped(builder, pooled, self._name, form, density)

    def _pooled(self, x: Value) -> tuple[Value, tuple[int, int, int]]:
        if self._grain == WHOLE_MAP:
            return self._builder.node("GlobalAveragePool", self._name, x), (1, 1, 1)
        if self._grain == 1:
            return x, (1, 3, self._stride)
        side = self._grain * self._stride
        window = {"kernel_shape": [side, side], "strides": [side, side], "ceil_mode": 1}
        return self._builder.node("MaxPool", self._name, x, **window), (1, 3, 1)

    def times(self, y: Value, conv: str) -> Value:
        """`y`, what layer `conv` of the block gives, times the gate. Layers before the block's
        stride have more outputs, and so more of them for each gate."""
        self._convs.append(conv)
        is_before_stride = self._stride > 1 and y.data.shape[2:] == self._input_extents
        times = self._grain * (self._stride if is_before_stride else 1)
        return self._builder.node("Mul", f"{conv}.gated", y, self._mask(times, y))

    def _mask(self, times: int, y: Value) -> Value:
        if times in (1, WHOLE_MAP):  # one value for the whole map is broadcast by the product
            return self._gate
        if times not in self._masks:
            self._masks[times] = repeated(
                self._builder, self._gate, f"{self._name}.{times}x", times, y.data.shape[2:]
            )
        return self._masks[times]

    def finish(self) -> Gate:
        """Of the network, when the block's layers are there. Its values are those of the branch."""
        return Gate(tuple(self._convs), f"{self._name}.branch", self._gate.name)
