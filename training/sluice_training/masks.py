"""Sheets that show what a network's gates let through."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sluice_training.batches import Normalizer
from sluice_training.checkpoint import at_input_size, read_checkpoint, restore_model
from sluice_training.data import ImageSet
from sluice_training.errors import TrainingError
from sluice_training.macs import observed_gates

# Images of up to SMALL pixels are enlarged by SCALE.
SMALL, SCALE = 64, 2
GAP = 2


@torch.no_grad()
def mask_maps(
    model: torch.nn.Module, data: ImageSet, normalizer: Normalizer
) -> dict[str, torch.Tensor]:
    """Share of active gate maps at each position of a gated layer or block, float32 [N, H', W']."""
    found: dict[str, torch.Tensor] = {}
    layers = observed_gates(model)
    for name, layer in layers.items():
        layer.observer = lambda gate, name=name: found.update({name: gate.gt(0).float().mean(1)})
    try:
        model.eval()(normalizer(data.pixels(0, len(data))))
    finally:
        for layer in layers.values():
            layer.observer = None
    return found


def write_masks(checkpoint: Path, data: ImageSet, count: int, path: Path) -> None:
    """A sheet of `count` images, evenly chosen: the images on top, below them a row per layer.

    White is computed, black is skipped, gray is the share of a position's maps that are active.
    """
    state = read_checkpoint(checkpoint)
    model = restore_model(state, checkpoint)
    if not observed_gates(model):
        raise TrainingError(f"{checkpoint}: {state['net']} has no gates to draw")
    chosen = torch.linspace(0, len(data) - 1, count).round().long()
    some = at_input_size(data.select(chosen), state)
    maps = mask_maps(model, some, Normalizer(tuple(state["mean"]), tuple(state["std"])))
    size = some.input_size[1]
    side = size * (SCALE if size <= SMALL else 1)
    pixels = some.pixels(0, count).round().to(torch.uint8)
    rows = [[_enlarged(image.numpy(), side) for image in pixels]]
    for values in maps.values():
        gray = (255 * values).round().to(torch.uint8).numpy()
        rows.append([_enlarged(np.repeat(m[..., None], 3, axis=2), side) for m in gray])
    height, width = (side + GAP) * len(rows) - GAP, (side + GAP) * count - GAP
    sheet = np.full((height, width, 3), 96, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            y, x = i * (side + GAP), j * (side + GAP)
            sheet[y : y + side, x : x + side] = image
    aside = path.with_name(path.name + ".partial")
    try:
        Image.fromarray(sheet).save(aside, "png")
        os.replace(aside, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror})") from error


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """A square image [S, S, 3] at `side` pixels, without smoothing."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST))
