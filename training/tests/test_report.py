"""The report of a folder of runs, from runs written here with known figures."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sluice_training.batches import Normalizer
from sluice_training.checkpoint import build_model, write_checkpoint
from sluice_training.config import RunConfig
from sluice_training.data import LabelledImages
from sluice_training.errors import TrainingError
from sluice_training.lccl import GateSpec, gated_layers
from sluice_training.masks import mask_maps, write_masks
from sluice_training.summary import find_runs, markdown, plot


def write_run(folder: Path, gate: GateSpec | None, epochs: int, **last: object) -> Path:
    folder.mkdir()
    described = asdict(gate) if gate else None
    state = {
        "net": "resnet20",
        "gate": described,
        "classes": list("abcdefghij"),
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "model": build_model("resnet20", described, 10).state_dict(),
        "config": asdict(RunConfig(epochs=2, seed=7)),
    }
    write_checkpoint(folder / "checkpoint.pt", state)
    records = [{"epoch": i + 1, "seconds": 1800.0} | last for i in range(epochs)]
    (folder / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def write_runs(folder: Path) -> None:
    densities = [round(0.1 + 0.01 * i, 2) for i in range(18)]
    measured = {"cut": 0.5, "cut_by_live_gates": 0.4, "dead_maps": 2, "densities": densities}
    write_run(folder / "dense", None, 2, val_accuracy=0.9)
    write_run(folder / "unfinished", None, 1, val_accuracy=0.95)
    write_run(folder / "gated", GateSpec(), 2, val_accuracy=0.892, **measured)
    (folder / "gated" / "test.json").write_text('{"onnx": "x", "test": 0.8812}')


def test_the_table_by_hand(tmp_path: Path) -> None:
    write_runs(tmp_path)
    lines = markdown(find_runs(tmp_path)).splitlines()
    assert (
        "| gated | resnet20 | 10 | kxk-one, clip | 7 | 2/2 | 89.20% | 0.8 | 88.12% | 50.0% | 40.0% "
        "| 2 |  | 1.0 |"
    ) in lines
    assert "| dense | resnet20 | 10 | none | 7 | 2/2 | 90.00% |  |  | 0.0% |  |  |  | 1.0 |" in lines
    assert any(line.startswith("| *the paper") and "20.0%" in line for line in lines)
    assert "| blocks.8.conv2 | 0.270 |" in lines
    widths = {line.count("|") for line in lines if line.startswith("| ") and "resnet" in line}
    assert widths == {15}


def test_the_plot_is_a_image(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_runs(tmp_path)
    plot(find_runs(tmp_path), tmp_path / "p.png")
    pixels = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    first_colour = np.array([0x1F, 0x77, 0xB4])
    assert (np.abs(pixels.astype(int) - first_colour).sum(-1) < 30).sum() > 20
    assert not list(tmp_path.glob("*.partial"))


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no runs"):
        find_runs(tmp_path)
    folder = write_run(tmp_path / "r", None, 1, val_accuracy=0.5)
    (folder / "test.json").write_text("{}")
    with pytest.raises(TrainingError, match="test.json: not a result of evaluate.py"):
        find_runs(tmp_path)
    (folder / "log.jsonl").write_text("{")
    with pytest.raises(TrainingError, match="log.jsonl: not a log"):
        find_runs(tmp_path)


def some_images() -> LabelledImages:
    images = torch.randint(256, (6, 32, 32, 3), dtype=torch.uint8)
    return LabelledImages(images, torch.zeros(6, dtype=torch.long), tuple("abcdefghij"))


def test_masks_show_what_the_gates_do() -> None:
    model = build_model("resnet20", asdict(GateSpec()), 10)
    layers = [layer for _, layer in gated_layers(model)]
    layers[0].gate.set_threshold(100.0)
    layers[1].gate.set_threshold(-100.0)
    maps = mask_maps(model, some_images(), Normalizer((0.5,) * 3, (0.25,) * 3))
    first, second = list(maps.values())[:2]
    assert first.shape == (6, 32, 32)
    assert first.min() == 1 and second.max() == 0
    assert [layer.observer for layer in layers] == [None] * 18


def test_the_sheet_has_a_row_a_layer(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", GateSpec(), 1, val_accuracy=0.5)
    data = some_images()
    write_masks(folder / "checkpoint.pt", data, 3, tmp_path / "m.png")
    sheet = np.asarray(Image.open(tmp_path / "m.png"))
    assert sheet.shape == (19 * 66 - 2, 3 * 66 - 2, 3)
    assert np.array_equal(sheet[:64:2, :64:2], data.images[0].numpy())
    assert np.array_equal(sheet[:64:2, 132:196:2], data.images[5].numpy())
    dense = write_run(tmp_path / "d", None, 1, val_accuracy=0.5)
    with pytest.raises(TrainingError, match="has no gates to draw"):
        write_masks(dense / "checkpoint.pt", data, 3, tmp_path / "n.png")
