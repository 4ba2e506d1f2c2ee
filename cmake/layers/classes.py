"""Shape classes of layers: rows of the form of generators/kernels.json, and their first numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from layers import WHOLE_MAP, Layer

# Parameters of the runtime's table that no specialised class has.
GENERIC_ONLY = ("least_channels", "most_channels", "label")


@dataclass(frozen=True)
class Need:
    """A kernel that would compute a layer on a target."""

    algorithm: str
    gate: str
    shape: tuple[tuple[str, object], ...]  # parameters of the generator
    channels: int  # from a pixel of the input to the next
    outputs: int  # of a call


@dataclass
class Table:
    """generators/kernels.json."""

    rows: list[dict]

    def row(self, algorithm: str) -> dict:
        return next(row for row in self.rows if row["algorithm"] == algorithm)

    def shapes(self, algorithm: str, gate: str, generic: bool) -> Iterator[dict]:
        for shape in self.row(algorithm).get("shapes", [{}]):
            if ("channels" not in shape) == generic and gate in shape.get("gates", [gate]):
                yield shape

    def name(self, algorithm: str, gate: str, shape: dict, channels: int) -> str:
        """As cmake/SluiceKernelTable.cmake puts it together, for the row's first type."""
        row = self.row(algorithm)
        kernel, stride = shape.get("kernel", 0), shape.get("stride", 1)
        window = "any"
        if kernel > 0:
            extent = stride * (kernel - 1) + 1
            window = f"{extent}x{extent}" + (f"_by{stride}" if stride > 1 else "")
        parts = [algorithm, row["types"][0], window, shape.get("label"),
                 f"c{channels}" if channels else None, None if "gate" in row else gate]
        if algorithm == "branch":
            parts.pop()
        return "_".join(part for part in parts if part)

    def specialised(self) -> set[str]:
        """Names of the classes that need no row of their own."""
        names = set()
        for row in self.rows:
            for shape in row.get("shapes", []):
                for channels in shape.get("channels", []):
                    for gate in shape.get("gates", [row.get("gate", "none")]):
                        names.add(self.name(row["algorithm"], gate, shape, channels))
        return names


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


class Needs:
    """What a layer needs of a target of so many lanes: the requirements of runtime/kernels/registry.cpp
    and of the ways of runtime/plan/conv."""

    def __init__(self, table: Table, layer: Layer, lanes: int) -> None:
        self.table, self.layer, self.lanes = table, layer, lanes
        self.channels = layer.channels if layer.is_packed else round_up(layer.channels, lanes)
        self.outputs = round_up(layer.outputs, lanes)
        self.gate = "position" if layer.maps == 1 else "element" if layer.maps else "none"
        each = layer.outputs // max(layer.maps, 1)
        if 1 < layer.maps < layer.outputs and each % lanes == 0:  # a call for each group
            self.gate, self.outputs = "position", each

    def all(self) -> Iterator[Need]:
        layer = self.layer
        has_vectors = self.channels % self.lanes == 0
        if layer.kernel[0] != layer.kernel[1]:
            return
        window = {"kernel": layer.kernel[0]}
        if layer.outputs == 1 and layer.is_bare and layer.post.is_none and has_vectors:
            yield self._need("branch", window, 1)
            return
        yield self._need("gated_conv", window)
        if self.gate == "element" and has_vectors:
            yield self._need("dot_conv", window)
        if self._is_of_pairs():
            yield self._need("sparse_conv", window)
        yield from self._winograd()

    def _need(self, algorithm: str, shape: dict, outputs: int = 0, channels: int = 0) -> Need:
        gate = "none" if algorithm == "branch" else self.gate
        return Need(algorithm, gate, tuple(shape.items()), channels or self.channels,
                    outputs or self.outputs)

    def _is_of_pairs(self) -> bool:
        layer = self.layer
        return (layer.maps == 1 and layer.reads_gated and layer.grid != WHOLE_MAP
                and layer.kernel[0] == 3
                and layer.strides == [1, 1] and layer.pads == [1] * 4 and min(layer.extents) >= 2)

    def _winograd(self) -> Iterator[Need]:
        layer = self.layer
        if not layer.has_single_clamp:
            return
        if self.channels % self.lanes == 0:
            found = self._tiles(layer.kernel[0], layer.strides, layer.input, self.channels)
            if found:
                yield found
                return
        # The phases of the input side by side: runtime/plan/conv/phases.cpp.
        if layer.maps == 0 and layer.strides == [2, 2] and self.channels == layer.channels:
            taps = (layer.kernel[0] + 1) // 2
            phases = [extent + taps - 1 for extent in layer.extents]
            if all(2 * phase <= extent for phase, extent in zip(phases, layer.input)):
                found = self._tiles(taps, [1, 1], phases, 4 * self.channels)
                if found and found.channels % self.lanes == 0:
                    yield found

    def _tiles(self, window: int, strides: list[int], extents: list[int],
               channels: int) -> Need | None:
        """The class of the first generic kernel that fits."""
        for shape in self.table.shapes("winograd_conv", self.gate, generic=True):
            taps, stride = shape["kernel"], shape.get("stride", 1)
            has_tiles = all(
                out >= shape["side"] and stride * (out + taps - 1) <= extent
                for out, extent in zip(self.layer.extents, extents))
            is_for = shape.get("least_channels", 0) <= channels <= shape["most_channels"]
            if (strides == [stride, stride] and window == stride * (taps - 1) + 1 and has_tiles
                    and is_for):
                own = {k: v for k, v in shape.items() if k not in (*GENERIC_ONLY, "gates")}
                return self._need("winograd_conv", own, channels=channels)
        return None


def needs(table: Table, layers: Iterable[Layer], lanes: int) -> dict[str, Need]:
    """By the names of the kernels; `outputs` is the greatest divisor that their layers share."""
    found: dict[str, Need] = {}
    for layer in layers:
        for need in Needs(table, layer, lanes).all():
            name = table.name(need.algorithm, need.gate, dict(need.shape), need.channels)
            outputs = math.gcd(need.outputs, found[name].outputs if name in found else 0)
            found[name] = Need(need.algorithm, need.gate, need.shape, need.channels, outputs)
    return dict(sorted(found.items()))


@dataclass
class Classes:
    """The shape classes that a build adds to those of the table."""

    table: Table
    _shapes: dict[str, tuple[Need, list[str]]] = field(default_factory=dict)

    def add(self, target: str, found: dict[str, Need]) -> None:
        for name, need in found.items():
            self._shapes.setdefault(name, (need, []))[1].append(target)

    def rows(self) -> list[dict]:
        rows: dict[str, dict] = {}
        for need, targets in self._shapes.values():
            base = self.table.row(need.algorithm)
            row = rows.setdefault(need.algorithm, {**base, "shapes": []})
            gates = {} if "gate" in base or need.algorithm == "branch" else {"gates": [need.gate]}
            row["shapes"].append(
                {**gates, **dict(need.shape), "channels": [need.channels], "targets": targets})
        return list(rows.values())


def numbers_of(tuned: dict[str, dict], kernel: str) -> dict[str, object]:
    """The numbers of a kernel in a tuned file: those of the longer name count."""
    numbers: dict[str, object] = {}
    for row in sorted(tuned, key=len):
        if f"{kernel}_".startswith(f"{row}_"):
            numbers.update(tuned[row])
    return numbers


def first_numbers(table: Table, tuned: dict[str, dict], need: Need, lanes: int) -> dict:
    """Until a class is tuned, those of the kernel that its layers take without it: the generic one of
    the widest block that divides their outputs. Where there is none, of the narrowest specialised one,
    with blocks of one vector."""
    shape = dict(need.shape)
    candidates = []
    for generic in (True, False):
        for other in table.shapes(need.algorithm, need.gate, generic):
            same = all(other.get(key, value) == value for key, value in shape.items())
            is_for = other.get("least_channels", 0) <= need.channels <= other.get(
                "most_channels", need.channels)
            if same and is_for:
                for channels in other.get("channels", [0]):
                    name = table.name(need.algorithm, need.gate, other, channels)
                    candidates.append(numbers_of(tuned, name))
        if candidates:
            break

    def block(numbers: dict) -> int:
        return int(numbers.get("vectors", 1)) * lanes

    fitting = [numbers for numbers in candidates if need.outputs % block(numbers) == 0]
    if need.algorithm == "branch":
        fitting = candidates
    if fitting:
        return max(fitting, key=block)
    return {**min(candidates, key=block), "vectors": 1}
