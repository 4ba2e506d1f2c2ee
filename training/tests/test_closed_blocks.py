"""Blocks whose gates never open, left out of networks."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import train
from PIL import Image
from torch import nn

import drop_closed
from sluice_training.block_gates import BlockGateSpec, add_block_gates, gated_blocks
from sluice_training.checkpoint import (
    build_model,
    describe_network,
    read_checkpoint,
    restore_model,
    warm_start,
    write_checkpoint,
)
from sluice_training.closed_blocks import close_blocks
from sluice_training.errors import TrainingError
from sluice_training.macs import count_macs
from sluice_training.nets import make_net
from sluice_training.onnx_file import ImageInfo, export_network
from sluice_training.units import find_units

ALWAYS, NEVER = 1e9, -1e9


def shut(model: nn.Module, names: set[str]) -> None:
    """Close these gates for every image, and open all others."""
    for name, block in gated_blocks(model):
        block.gate.set_threshold(NEVER if name in names else ALWAYS)


def randomise_norms(model: nn.Module) -> None:
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.3)
            norm.weight.data.uniform_(0.5, 1.5)
            norm.bias.data.normal_(0, 0.3)


@pytest.mark.parametrize("net", ["resnet20", "preresnet20", "resnet18", "resnet50"])
@pytest.mark.parametrize("closed", [{"blocks.0"}, {"blocks.2", "blocks.3"}, {"blocks.6"}])
@torch.no_grad()
def test_a_network_without_a_block_is_that_with_its_gate_shut(net: str, closed: set[str]) -> None:
    torch.manual_seed(3)
    model = add_block_gates(make_net(net, 10), BlockGateSpec()).eval()
    randomise_norms(model)
    shut(model, closed)
    images = torch.randn(2, 3, 32, 32)
    wanted = model(images)
    kept = sum(parameter.numel() for parameter in model.parameters())
    assert torch.equal(close_blocks(model, closed)(images), wanted)
    assert sum(parameter.numel() for parameter in model.parameters()) < kept
    assert not closed & {name for name, _ in gated_blocks(model)}


def test_macs_count_what_the_whole_network_would_take() -> None:
    """ResNet-20's blocks but the first of stages 2 and 3 take twice 2,359,296 MACs."""
    model = add_block_gates(make_net("resnet20", 10), BlockGateSpec())
    branches = count_macs(model, (3, 32, 32)).branches
    report = count_macs(close_blocks(model, ["blocks.0", "blocks.4"]), (3, 32, 32))
    left_out = 4 * 2_359_296
    # Their own branches: 3x3 over 16 channels at 32x32, and over 32 at 16x16.
    branches -= 9 * 16 * 1024 + 9 * 32 * 256
    assert (report.dense, report.branches) == (40_551_040, branches)
    assert report.executed == 40_551_040 - left_out + branches
    assert report.dead_blocks == ["blocks.0", "blocks.4"]
    assert report.cut_by_dead_gates == left_out / 40_551_040
    assert [layer.name for layer in report.layers] == [f"blocks.{i}" for i in range(9)]


def test_only_residual_blocks_can_be_left_out() -> None:
    with pytest.raises(TrainingError, match="'blocks.9': the network has no such"):
        close_blocks(make_net("resnet20", 10), ["blocks.9"])
    with pytest.raises(TrainingError, match="'conv'"):
        close_blocks(make_net("resnet20", 10), ["conv"])


def test_the_time_of_a_network_without_a_block_is_not_predicted() -> None:
    model = close_blocks(make_net("resnet20", 10), ["blocks.1"])
    with pytest.raises(TrainingError, match="before drop_closed.py"):
        find_units(model, (3, 32, 32))


def write_images(folder: Path) -> None:
    generator = np.random.default_rng(5)
    for label in "ab":
        (folder / "train" / label).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(256, size=(32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "train" / label / f"{number:02}.png")


def gated_checkpoint(path: Path, closed: set[str]) -> None:
    model = build_model("resnet20", asdict(BlockGateSpec()), 2)
    shut(model, closed)
    state = {"net": "resnet20", "gate": asdict(BlockGateSpec()), "model": model.state_dict()}
    described = {"classes": ["a", "b"], "mean": [0.5] * 3, "std": [0.25] * 3, "size": 32}
    write_checkpoint(path, state | described)


def drop(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, output: str) -> None:
    line = ["--checkpoint", folder / source, "--data", folder / "data", "--output", folder / output]
    monkeypatch.setattr(sys, "argv", ["drop_closed.py", *map(str, line)])
    drop_closed.main()


def test_dropping_exporting_and_training_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "data")
    gated_checkpoint(tmp_path / "gated.pt", {"blocks.1", "blocks.5"})
    drop(monkeypatch, tmp_path, "gated.pt", "dropped.pt")
    said = json.loads(capsys.readouterr().out)
    assert said["dropped"] == ["blocks.1", "blocks.5"] and said["before"] == said["after"]

    state = read_checkpoint(tmp_path / "dropped.pt")
    model = restore_model(state, tmp_path / "dropped.pt")
    info = ImageInfo(("a", "b"), (0.5,) * 3, (0.25,) * 3, 32)
    exported = tmp_path / "dropped.onnx"
    export_network(model, info, 32, exported, further=describe_network(state))
    assert tuple(read_checkpoint(exported)["gate"]["closed"]) == ("blocks.1", "blocks.5")

    line = ["--data", "d", "--output", "o", "--warm-start", str(exported)]
    gated = train.gate_of(train.parse_arguments([*line, "--gate", "block"]))
    assert gated["closed"] == ("blocks.1", "blocks.5")
    warm_start(build_model("resnet20", gated, 2), read_checkpoint(exported), exported)
    with pytest.raises(TrainingError, match="lacks blocks.1, blocks.5; start from"):
        warm_start(make_net("resnet20", 2), read_checkpoint(exported), exported)


def test_what_cannot_be_dropped_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "data")
    gated_checkpoint(tmp_path / "open.pt", set())
    with pytest.raises(TrainingError, match="every gate opens at 1% of its positions"):
        drop(monkeypatch, tmp_path, "open.pt", "none.pt")
    dense = read_checkpoint(tmp_path / "open.pt") | {"gate": None}
    write_checkpoint(tmp_path / "dense.pt", dense | {"model": make_net("resnet20", 2).state_dict()})
    with pytest.raises(TrainingError, match="has no gates per block"):
        drop(monkeypatch, tmp_path, "dense.pt", "none.pt")
    assert not (tmp_path / "none.pt").exists()
