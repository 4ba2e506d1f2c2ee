"""LCCL gates of a given density: y = conv(x) * Clip(2 * BN(branch(x)) + bias, 0, 1).

Source: Dong, Huang, Yang, Yan, "More is Less: A More Complicated Network with Less Inference
Complexity" (CVPR 2017), section 3; the clipped gate is the one that the trained networks have.

Nothing is learned: an LCCL branch is a random mix of the channels, in the kxk forms blurred by the
binomial filter. So masks follow the image's content and are coherent: at density 0.5, by layer,
the neighbour of an active position is active in 55 to 85 of 100 cases. White noise has 50,
and trained networks have more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder import Builder, Value
from errors import SyntheticError

BLOCK = "block"
FORMS = ("none", "kxk-one", "1x1", "1x1-one", "groups", "tile", BLOCK)
# Outputs along each side of the squares that a gate per block is constant over; None: no gate.
WHOLE_MAP = 0
GRAINS: dict[str, int | None] = {"1": 1, "2": 2, "4": 4, "8": 8, "map": WHOLE_MAP, "none": None}
SLOPE = 2.0
LIMITS = (("low", 0), ("high", 1))
CHANNELS_PER_GROUP = 16
GRID = 4
# Density 1 holds on images that calibration has not seen: its threshold lies this far below.
MARGIN = 4.0
# In standard deviations of a map.
ROUNDING = 1e-3
# Of the density on the calibration images.
TOLERANCE = 0.01
ATTEMPTS = 20
SAMPLES = 4096


@dataclass(frozen=True)
class GateSpec:
    """form: `1x1` one map per channel; `1x1-one` and `kxk-one` one map shared by all channels;
    `groups` kxk with one map for every 16 channels; `tile` one gate for every 4x4 outputs, from the
    maxima of what they see; `block` one map for all convolutions of a residual block. density: the
    share of active gates, of each map. grains: of the gates per block, of each stage or one for all.
    """

    form: str = "none"
    density: float = 1.0
    grains: tuple[int | None, ...] = (1,)

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise SyntheticError(f"gate '{self.form}' is unknown; use one of {', '.join(FORMS)}")
        if not 0 < self.density <= 1:
            raise SyntheticError(f"density {self.density:g} is out of range; give 0 < density <= 1")

    def maps_for(self, channels: int) -> int:
        if self.form == "1x1":
            return channels
        return max(channels // CHANNELS_PER_GROUP, 1) if self.form == "groups" else 1


    def grain_of(self, stage: int, stages: int) -> int | None:
        """Of the blocks of a stage; None where they have no gate."""
        if self.form != BLOCK:
            return None
        if len(self.grains) not in (1, stages):
            raise SyntheticError(
                f"{len(self.grains)} grains for {stages} stages; give one, or one for each"
            )
        return self.grains[stage % len(self.grains)]


@dataclass(frozen=True)
class Gate:
    """The names of a gate: of the convolutions under it and of its branch, in Builder.macs, and of
    its values."""

    convs: tuple[str, ...]
    branch: str
    values: str


def gated(
    builder: Builder, x: Value, y: Value, name: str, size: int, stride: int, spec: GateSpec
) -> tuple[Value, Gate]:
    """`y` = conv(x), of kernel `size`, times its gate."""
    maps = spec.maps_for(y.channels)
    kernel = 1 if spec.form in ("1x1", "1x1-one", "tile") else size
    branch = f"{name}.gate.branch"
    if spec.form == "tile":
        side, stride = stride * GRID, 1
        window = {"kernel_shape": [side, side], "strides": [side, side], "ceil_mode": 1}
        x = builder.node("MaxPool", f"{name}.gate", x, **window)
    gate = clipped(builder, x, f"{name}.gate", (maps, kernel, stride), spec.density)
    if spec.form == "tile":
        gate = repeated(builder, gate, f"{name}.gate", GRID, y.data.shape[2:])
    return _multiply(builder, y, gate, name), Gate((f"{name}.conv",), branch, gate.name)


def clipped(
    builder: Builder, x: Value, name: str, form: tuple[int, int, int], density: float
) -> Value:
    """Gates of `density` by a branch of `form`, (maps, kernel, stride), over x."""
    maps, _, stride = form
    weights, thresholds = _draw(builder, x, f"{name}.branch", form, density)
    z = builder.conv(x, f"{name}.branch", weights, stride)
    by_map = _by_map(z.data)
    bias = SLOPE * (by_map.mean(axis=1) - thresholds) / _deviation(by_map)
    normed = builder.batch_norm(z, f"{name}.norm", np.full(maps, SLOPE), bias)
    limits = [builder.weight(f"{name}.{k}", np.array(v, np.float32)) for k, v in LIMITS]
    return builder.node("Clip", name, normed, *limits)


def repeated(
    builder: Builder, gate: Value, name: str, times: int, extents: tuple[int, ...]
) -> Value:
    """Every gate times x times, cut to the extents of the map that it gates."""
    scales = builder.weight(f"{name}.scales", np.array([1, 1, times, times], np.float32))
    nearest = {"mode": "nearest", "nearest_mode": "floor"}
    nearest["coordinate_transformation_mode"] = "asymmetric"
    wide = builder.node("Resize", name, gate, Value("", np.empty(0, np.float32)), scales, **nearest)
    if wide.data.shape[2:] == extents:
        return wide
    bounds = {"starts": [0, 0], "ends": extents, "axes": [2, 3]}
    values = [builder.weight(f"{name}.{k}", np.array(v, np.int64)) for k, v in bounds.items()]
    return builder.node("Slice", name, wide, *values)


def _draw(
    builder: Builder, x: Value, name: str, form: tuple[int, int, int], density: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [maps, C, k, k] of a branch and the value above which each map is active.

    Where the layer before was gated off, the input is one constant, and so is the branch: no
    threshold splits that share of the positions. A map whose threshold falls among them is drawn
    again, leaning more and more to the side of what is computed, so that constants lie below it.
    """
    maps, kernel, stride = form
    random = builder.random(name)
    mix = random.standard_normal((maps, x.channels))
    computed = _computed_side(x.data)
    for attempt in range(1, ATTEMPTS + 1):
        weights = _blurred(mix, kernel)
        found = [_threshold(z, density) for z in _by_map(builder.try_conv(x, weights, stride))]
        again = np.flatnonzero([error > TOLERANCE for _, error in found])
        if again.size == 0:
            break
        if attempt < ATTEMPTS:
            lean = attempt / (ATTEMPTS - 1)
            drawn = random.standard_normal((again.size, x.channels))
            mix[again] = (1 - lean) * drawn + lean * computed
    return weights, np.array([threshold for threshold, _ in found])


def _computed_side(x: np.ndarray) -> np.ndarray:
    """The direction [C], of unit entries, from what a skipped position holds to the others' mean,
    by the spread of each channel, as a linear discriminant has it.
    """
    channels = _by_map(x)
    skipped = np.array([_most_frequent(channel[:SAMPLES]) for channel in channels])
    direction = (channels.mean(axis=1) - skipped) / _deviation(channels) ** 2
    return direction / max(float(np.sqrt((direction**2).mean())), 1e-6)


def _most_frequent(values: np.ndarray) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])


def _blurred(mix: np.ndarray, kernel: int) -> np.ndarray:
    """[maps, C] -> [maps, C, k, k]: each weight spread by the binomial filter."""
    binomial = np.array([1.0])
    for _ in range(kernel - 1):
        binomial = np.convolve(binomial, [0.5, 0.5])
    weights = mix[:, :, None, None] * (2 / mix.shape[1]) ** 0.5
    return (weights * np.outer(binomial, binomial)).astype(np.float32)


def _by_map(z: np.ndarray) -> np.ndarray:
    return z.astype(np.float64).transpose(1, 0, 2, 3).reshape(z.shape[1], -1)


def _deviation(by_map: np.ndarray) -> np.ndarray:
    return np.maximum(by_map.std(axis=-1), 1e-6)


def _threshold(z: np.ndarray, density: float) -> tuple[float, float]:
    """The threshold that leaves `density` of `z` above it, and the error that remains."""
    deviation = float(_deviation(z))
    if density == 1:
        return float(z.min()) - MARGIN * deviation, 0.0
    middle = np.quantile(z, 1 - density)
    best = (float(middle), 1.0)
    for threshold in middle + deviation * np.array([0, 2 * ROUNDING, -2 * ROUNDING]):
        # What lies this close may fall on either side in another runtime.
        unsure = float((np.abs(z - threshold) < ROUNDING * deviation).mean())
        error = abs(float((z > threshold).mean()) - density) + unsure
        if error < best[1]:
            best = (float(threshold), error)
    return best


def _multiply(builder: Builder, y: Value, gate: Value, name: str) -> Value:
    if gate.channels in (1, y.channels):
        return builder.node("Mul", name, y, gate)
    _, channels, height, width = y.data.shape
    by_block = [-1, gate.channels, channels // gate.channels, height, width]
    split = builder.weight(f"{name}.split", np.array(by_block, np.int64))
    join = builder.weight(f"{name}.join", np.array([-1, channels, height, width], np.int64))
    axes = builder.weight(f"{name}.axes", np.array([2], np.int64))
    blocks = builder.node("Reshape", f"{name}/split", y, split)
    wide = builder.node("Unsqueeze", name, gate, axes)
    return builder.node("Reshape", f"{name}/join", builder.node("Mul", name, blocks, wide), join)
