"""Mutants: a few edits of a valid graph."""

from __future__ import annotations

import numpy as np
import onnx

from data_edits import DATA_EDITS
from draw import pick
from graph_edits import GRAPH_EDITS

EDITS = DATA_EDITS + GRAPH_EDITS
MOST_EDITS = 4


def mutate(random: np.random.Generator, model: onnx.ModelProto, edits: tuple = EDITS) -> str:
    """Changes the model in place; returns the names of the edits."""
    done = []
    for _ in range(int(random.integers(1, MOST_EDITS + 1))):
        edit = pick(random, edits)
        try:
            edit(random, model)
        except (ValueError, OverflowError, TypeError) as error:  # protobuf has no such value
            done.append(f"{edit.__name__} ({error})")
            continue
        done.append(edit.__name__)
    return ", ".join(done)
