"""Units as networks to be timed: their masks, and the rows that the benchmark's steps become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from sluice_training.block_gates import BlockGate
from sluice_training.errors import TrainingError
from sluice_training.lccl import GatedConv2d
from sluice_training.measure import BENCHMARK, Question, grains_of, measure_unit, rounded, times_of
from sluice_training.nets import make_net
from sluice_training.onnx_file import check_scores, metadata
from sluice_training.unit_network import (
    UnitNetwork,
    build,
    covered_squares,
    photographs,
    to_file,
    variant_name,
)
from sluice_training.units import Unit, find_units, image_size

SAMPLES = Path(__file__).resolve().parent.parent.parent / "apps/samples"


def units(net: str = "resnet20") -> list[Unit]:
    model = make_net(net, 10)
    return find_units(model, image_size(model))


def seen_densities(network: UnitNetwork, photos: torch.Tensor) -> dict[str, list[float]]:
    """Of each gate of each variant, in the order in which they run."""
    found: dict[str, list[float]] = {}
    with torch.no_grad():
        features = network.stem(photos)
        for name in network.names:
            seen = found.setdefault(name, [])
            for module in getattr(network, name).modules():
                if isinstance(module, (BlockGate, GatedConv2d)):
                    module.observer = lambda mask, seen=seen: seen.append(float((mask > 0).float().mean()))
            getattr(network, name)(features)
    return found


@pytest.mark.parametrize("grain", ["1", "4", "map", "kxk-one", "tile", "1x1"])
@pytest.mark.parametrize("index", [1, 4])
def test_variants_have_their_densities(grain: str, index: int) -> None:
    unit = units()[index]
    photos = photographs(SAMPLES, unit.size[1:])
    network = build(unit, photos, grain, (0.0, 0.3, 0.7, 1.0))
    found = seen_densities(network, photos)
    assert found.pop("dense") == []
    for density in (0.0, 0.3, 0.7, 1.0):
        seen = found[variant_name(density)]
        assert len(seen) == (2 if "1x1" in grain or "one" in grain or grain == "tile" else 1)
        # The second layer of a block with LCCLs reads what the first one leaves, much of it alike.
        assert seen[0] == pytest.approx(density, abs=0.06 if 0 < density < 1 else 0)


def test_coarse_masks_cover_as_many_squares_as_outputs_and_fine_ones_more() -> None:
    unit = units()[1]
    photos = photographs(SAMPLES, unit.size[1:])
    coarse = covered_squares(build(unit, photos, "4", (0.3, 1.0)), photos)
    fine = covered_squares(build(unit, photos, "1", (0.3, 1.0)), photos)
    assert coarse["d030"] == pytest.approx(0.3, abs=0.02)
    assert 0.35 < fine["d030"] < 1
    assert coarse["d100"] == fine["d100"] == 1
    assert "dense" not in fine


@pytest.mark.parametrize("index", [0, 4, 8, 10])
def test_the_network_is_exported_as_it_is(index: int) -> None:
    unit = units()[index]
    photos = photographs(SAMPLES, unit.size[1:])[:8]
    network = build(unit, photos, "1" if unit.is_block else "", (0.5,) if unit.is_block else ())
    proto = to_file(network, unit.size)
    assert check_scores(network, proto, photos, may_differ=2) < 1e-4
    assert metadata(proto)["sluice.weights"] == "synthetic"
    names = {node.name.strip("/").partition("/")[0] for node in proto.graph.node}
    assert {"dense", *(["d050"] if unit.is_block else [])} <= names


def test_grains_as_coarse_as_the_map_are_left_to_map() -> None:
    by_name = {unit.name: unit for unit in units()}
    assert grains_of(by_name["conv"]) == ()
    assert grains_of(by_name["blocks.0"])[:5] == ("1", "2", "4", "8", "map")
    # 8x8 outputs, of 16x16 inputs or of as many.
    assert grains_of(by_name["blocks.6"])[:4] == ("1", "2", "4", "map")
    assert grains_of(by_name["blocks.8"])[:4] == ("1", "2", "4", "map")


def step(node: str, kernel: str, ms: float, network: str = "n") -> dict[str, object]:
    return {"network": network, "node": node, "kernel": kernel, "ms": ms}


def test_steps_become_variants() -> None:
    """What variants share is computed for the first of them, and counts for all."""
    report = {
        "steps": [
            step("input", "copy", 100),
            step("/features/Conv", "gated_conv", 100),
            step("/dense/conv1/Conv", "winograd_conv", 8),
            step("/dense/shortcut/Pad", "copy", 1),
            step("/dense/shortcut/Pad", "copy", 1),
            step("/d000/d000.0/gate/MaxPool", "max_pool", 3),
            step("/d000/d000.0/gate/branch/Conv", "branch", 2),
            step("/d000/d000.0/conv1/Conv", "positions", 0.5),
            step("/d000/d000.0/conv1/Conv", "fill", 0.25),
            step("/d100/d100.0/gate/branch/Conv", "int8_branch", 2),
            step("/d100/d100.0/conv1/Conv", "winograd_conv", 7),
            step("/dense/conv1/Conv", "winograd_conv", 1000, "another"),
        ],
        "layers": [
            {"network": "n", "layer": "/d000/d000.0/conv1/Conv", "density": 0.25},
            {"network": "n", "layer": "/d000/d000.0/conv2/Conv", "density": 0.75},
        ],
    }
    found = times_of(report, "n")
    assert (found["dense"].ms, found["dense"].fixed_ms, found["dense"].density) == (10, 0, None)
    assert (found["d000"].ms, found["d000"].fixed_ms) == (3 + 2 + 0.5 + 0.25 + 2, 5.5)
    assert found["d000"].density == 0.5
    assert (found["d100"].ms, found["d100"].fixed_ms) == (3 + 2 + 7 + 2, 5)
    with pytest.raises(TrainingError, match="gives no step of its dense variant"):
        times_of(report, "elsewhere")


def test_times_are_rounded() -> None:
    row = {"a": 0.123456, "b": [1.000049, {"c": 2}], "d": "x"}
    assert rounded(row) == {"a": 0.1235, "b": [1.0, {"c": 2}], "d": "x"}


@pytest.mark.skipif(not BENCHMARK.exists(), reason="the benchmark is not built")
def test_a_unit_is_measured(tmp_path: Path) -> None:
    unit = units()[8]
    question = Question("", "fp32", 0.01, SAMPLES, tmp_path, grains=("4",))
    row, machine = measure_unit(unit, question)
    assert list(row["gates"]) == ["4"]
    gate = row["gates"]["4"]
    assert machine["cpu"] and row["dense_ms"] > 0
    assert gate["densities"] == pytest.approx([0, 0.1, 0.3, 0.5, 0.7, 1], abs=0.05)
    assert gate["ms"][0] < gate["ms"][3] and gate["ms"][0] < gate["ms"][5]
    assert 0 < gate["fixed_ms"] < gate["ms"][5]
    assert json.dumps(row)


def test_photographs_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no images"):
        photographs(tmp_path, (8, 8))
    (tmp_path / "x.png").write_text("no image")
    with pytest.raises(TrainingError, match="x.png: cannot be read"):
        photographs(tmp_path, (8, 8))
    assert photographs(SAMPLES, (6, 9)).shape[1:] == (3, 6, 9)
    assert isinstance(build(units()[0], photographs(SAMPLES, (32, 32))), nn.Module)
