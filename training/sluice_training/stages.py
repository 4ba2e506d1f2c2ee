"""Options whose value changes over a run: "128,224@0.8" is 128, and 224 from 0.8 of the run on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sluice_training.errors import TrainingError

FALL = ".."
# A share of the run times its epochs need not be whole in float64.
EDGE = 1e-9


@dataclass(frozen=True)
class Stages:
    """values[i] holds from the share starts[i] of the run on; starts[0] is 0.

    falls: two values, the first of which falls to the second exponentially over the whole run.
    """

    values: tuple[float, ...]
    starts: tuple[float, ...]
    falls: bool = False

    def at(self, progress: float) -> float:
        if self.falls:
            first, last = self.values
            return first * math.pow(last / first, min(progress, 1.0))
        begun = [v for v, start in zip(self.values, self.starts) if progress >= start - EDGE]
        return begun[-1]

    @property
    def last(self) -> float:
        return self.values[-1]


def parse_stages(option: str, text: str, number: Callable[[str], float] = float) -> Stages:
    """'128,224@0.8', or '5..0.1' for a fall, as Stages; all values are above 0.

    Raises TrainingError that names the option.
    """
    try:
        if FALL in text:
            ends = tuple(number(part) for part in text.split(FALL))
            found = Stages(ends, (0.0, 1.0), True)
        else:
            pairs = [part.partition("@") for part in text.split(",")]
            starts = tuple(float(start) if at else 0.0 for _, at, start in pairs)
            found = Stages(tuple(number(value) for value, _, _ in pairs), starts)
    except ValueError as error:
        raise TrainingError(f"{option} '{text}': write it as 128,224@0.8") from error
    rising = all(a < b for a, b in zip(found.starts, found.starts[1:]))
    is_fall = not found.falls or len(found.values) == 2
    if found.starts[0] != 0 or not rising or found.starts[-1] > 1 or not is_fall:
        raise TrainingError(
            f"{option} '{text}': the first value holds from the start, each later one from a share "
            "of the run, as in 128,224@0.8"
        )
    if not all(value > 0 for value in found.values):
        raise TrainingError(f"{option} '{text}': values must be above 0")
    return found
