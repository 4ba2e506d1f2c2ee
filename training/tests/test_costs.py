"""Tables of costs: what is read, interpolated, predicted and proposed, against figures by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import evaluate
import pytest
import torch
from some_costs import GATES, write_table
from test_report import write_run
from test_run import NORMALIZER, some_data

from sluice_training.block_gates import BlockGateSpec, add_block_gates
from sluice_training.checkpoint import read_checkpoint, write_checkpoint
from sluice_training.costs import (
    COSTS,
    CostTable,
    blocks_that_gain,
    predict,
    propose_grains,
    read_costs,
)
from sluice_training.errors import TrainingError
from sluice_training.lccl import GateSpec
from sluice_training.nets import add_gates, make_net
from sluice_training.saving import describe
from sluice_training.summary import find_runs
from sluice_training.time_report import predicted_times
from sluice_training.units import Unit, find_units, gate_key, image_size

HERE = Path(__file__).resolve().parent.parent


@pytest.fixture
def table(tmp_path: Path) -> CostTable:
    write_table(tmp_path)
    return read_costs("some-fp32", tmp_path)


def resnet20_units() -> list[Unit]:
    model = make_net("resnet20", 10)
    return find_units(model, image_size(model))


def test_units_of_a_network_in_order() -> None:
    units = resnet20_units()
    assert [unit.name for unit in units] == ["conv", *(f"blocks.{i}" for i in range(9)), "linear"]
    assert [unit.stage for unit in units] == [None, 0, 0, 0, 1, 1, 1, 2, 2, 2, None]
    assert units[0].key == "conv 3x32x32: 3x3 to 16"
    assert units[1].key == units[3].key == "BasicBlock 16x32x32: 3x3 to 16, 3x3 to 16"
    assert units[4].key == "BasicBlock 16x32x32: 3x3 to 32/2, 3x3 to 32; padded"
    assert units[10].key == "mean and linear 64x8x8"
    model = make_net("resnet18", 7)
    keys = [unit.key for unit in find_units(model, image_size(model))]
    assert keys[:2] == ["conv 3x224x224: 7x7 to 64/2", "max-pool 64x112x112 3/2"]
    assert keys[4] == "BasicBlock 64x56x56: 3x3 to 128/2, 3x3 to 128; projected"


def test_gates_do_not_change_a_unit() -> None:
    dense = [unit.key for unit in resnet20_units()]
    for gate, key in ((BlockGateSpec(grains=(0,)), "map"), (GateSpec("tile"), "tile")):
        model = make_net("resnet20", 10)
        (add_block_gates if isinstance(gate, BlockGateSpec) else add_gates)(model, gate)
        units = find_units(model, image_size(model))
        assert [unit.key for unit in units] == dense
        assert [gate_key(unit) for unit in units] == [None, *[key] * 9, None]


def test_a_unit_of_which_half_is_gated_has_no_costs() -> None:
    model = add_gates(make_net("resnet20", 10), GateSpec("tile", layers="blocks.0.conv1"))
    units = find_units(model, image_size(model))
    with pytest.raises(TrainingError, match="blocks.0: its gates have no costs"):
        gate_key(units[1])


def test_costs_between_densities(table: CostTable) -> None:
    block = table.of(resnet20_units()[1])
    fine, tile = block.gates["1"], block.gates["4"]
    assert [fine.at(d) for d in (-1, 0, 0.25, 0.5, 0.75, 1, 2)] == pytest.approx(
        [0.2, 0.2, 0.55, 0.9, 1.05, 1.2, 1.2]
    )
    assert [tile.at(d) for d in (0, 0.5, 1)] == pytest.approx([0.1, 0.55, 1.0])
    assert tile.fixed_ms == pytest.approx(0.05)
    assert fine.slope == pytest.approx((1.2 - 0.34) / 0.9)
    assert block.saving("4") == pytest.approx(0.45)
    assert block.saving("1", 0.75) == pytest.approx(-0.05)


def test_the_time_of_a_network(table: CostTable) -> None:
    model = make_net("resnet20", 10)
    dense = predict(model, table)
    assert dense.ms == dense.dense_ms == pytest.approx(9 + 0.5)
    add_block_gates(model, BlockGateSpec(grains=(4, 1, None)))
    time = predict(model, table, {"blocks.0": 0.5, "blocks.3": 0.25})
    assert time.by_unit["blocks.0"] == pytest.approx((1.0, 0.55))
    assert time.by_unit["blocks.3"] == pytest.approx((1.0, 0.55))
    # Gates of densities that are not known are taken for active everywhere, and cost their branch.
    assert time.by_unit["blocks.4"] == pytest.approx((1.0, 1.2))
    assert time.by_unit["blocks.6"] == pytest.approx((1.0, 1.0))
    assert time.ms == pytest.approx(0.5 + 3 + 0.55 + 2 + 0.55 + 2.4)
    assert time.record() == {
        "predicted_ms": pytest.approx(9.0), "predicted_share": pytest.approx(0.9474)
    }  # fmt: skip


def test_lccls_have_the_mean_density_of_a_block(table: CostTable) -> None:
    model = add_gates(make_net("resnet20", 10), GateSpec("tile", layers="blocks.0.*"))
    with pytest.raises(TrainingError, match="has no gate 'tile' for 'BasicBlock 16x32x32"):
        predict(model, table)
    units = find_units(model, image_size(model))
    table.of(units[1]).gates["tile"] = table.of(units[1]).gates["4"]
    time = predict(model, table, {"blocks.0.conv1": 0.2, "blocks.0.conv2": 0.8})
    assert time.by_unit["blocks.0"][1] == pytest.approx(0.55)


def test_grains_are_proposed_by_what_they_save(table: CostTable) -> None:
    units = resnet20_units()
    # Grain 1 saves a tenth, 4 and the whole map 0.45.
    assert propose_grains(units, table) == ["4", "4", "map"]
    gaining = blocks_that_gain(units, table, ["4", "1", "4"])
    assert [(unit.name, grain) for unit, grain in gaining] == (
        [(f"blocks.{i}", "4") for i in range(3)] + [(f"blocks.{i}", "1") for i in range(3, 6)]
    )
    assert blocks_that_gain(units, table, ["none"]) == []


def test_a_finer_grain_is_proposed_where_it_saves_nearly_as_much(table: CostTable) -> None:
    units = resnet20_units()
    near = table.of(units[1]).gates
    near["1"] = near["4"]
    assert propose_grains(units, table)[0] == "1"
    last = table.of(units[8])
    last.gates.pop("map")
    assert propose_grains(units, table)[2] == "none"


def test_the_table_of_savings(table: CostTable) -> None:
    text = describe("resnet20", resnet20_units(), table)
    assert "resnet20 on some-fp32: 9.5 ms dense, predicted. Measured 2026-01-02 on a slide rule." in text
    row = "| blocks.0 to 2 | BasicBlock 16x32x32: 3x3 to 16, 3x3 to 16 | 1000.0 | 100.0 (10%, 100.0) "
    assert row + "| 450.0 (45%, 50.0) | -50.0 (-5%, 100.0) | 450.0 (45%, 50.0) |" in text
    assert "Proposal: --grains 4,4,map\n" in text
    assert "Left dense" not in text and "Rough" not in text
    rough = describe("resnet20", resnet20_units(), replace(table, load=14.2))
    assert "slide rule.\nRough: 14 processes shared its cores meanwhile.\n" in rough
    # Nine blocks at 0.5: 6 of 0.55 and 3 of 0.55.
    assert f"At a density of 0.5 in the others: {(0.5 + 9 * 0.55) / 9.5:.2f} of the dense time" in text


def test_bad_tables_and_names(tmp_path: Path) -> None:
    write_table(tmp_path)
    for name, message in (
        ("some", "name a target and a precision, as avx2-int8"),
        ("some-fp16", "name a target and a precision"),
        ("other-fp32", "no costs of this target \\(there are: some\\)"),
        ("some-int8", "has no costs in int8"),
    ):
        with pytest.raises(TrainingError, match=message):
            read_costs(name, tmp_path)
    (tmp_path / "some.json").write_text('{"target": "some"')
    with pytest.raises(TrainingError, match="not a table of costs"):
        read_costs("some-fp32", tmp_path)
    model = make_net("resnet18", 10)
    with pytest.raises(TrainingError, match="has no 'conv 3x224x224: 7x7 to 64/2' in fp32; measure"):
        write_table(tmp_path)
        predict(model, read_costs("some-fp32", tmp_path))


@pytest.mark.parametrize("path", sorted(COSTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_tables_that_ship(path: Path) -> None:
    """Each names its CPU and predicts the networks that it is for, dense and gated."""
    stored = json.loads(path.read_text())
    assert stored["target"] == path.stem
    assert stored["machine"]["cpu"] and stored["measured"]
    for precision in {row["precision"] for row in stored["units"]}:
        table = read_costs(f"{path.stem}-{precision}")
        for net in ("resnet20", "resnet110"):
            model = make_net(net, 10)
            assert predict(model, table).share == 1
            add_block_gates(model, BlockGateSpec(grains=(4, 2, 1)))
            closed = {f"blocks.{i}": 0.1 for i in range(54)}
            assert 0.1 < predict(model, table, closed).share < 1


def test_the_program_prints_one_line_of_error() -> None:
    line = [sys.executable, str(HERE / "costs.py"), "--net", "resnet20", "--target", "abacus"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 2
    assert "abacus.json: no costs of this target" in done.stderr
    assert done.stderr.count("\n") == 1


def test_gates_of_the_test_table_are_whole() -> None:
    assert all(len(gate["densities"]) == len(gate["ms"]) for gate in GATES.values())


def test_predictions_leave_a_network_as_it_was(table: CostTable) -> None:
    model = make_net("resnet20", 10).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    predict(model, table)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_predicted_times_of_runs(table: CostTable, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    write_run(runs / "dense", None, 2, val_accuracy=0.9)
    write_run(runs / "lccl", GateSpec(), 2, val_accuracy=0.9)
    halves = {"densities": [0.5] * 9, "cut": 0.3}
    write_run(runs / "tiles", BlockGateSpec(grains=(4, 4, 0)), 2, val_accuracy=0.9, **halves)
    text = predicted_times(find_runs(runs), table)
    assert "## Times on some-fp32, predicted" in text
    assert "| dense | 9.5 | 9.5 | 1.00 |" in text
    assert f"| tiles | 9.5 | {0.5 + 9 * 0.55:.4g} | {(0.5 + 9 * 0.55) / 9.5:.2f} |" in text
    assert "has no gate 'kxk-one'" in text


def test_evaluate_predicts_by_the_densities_of_the_images(
    table: CostTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gates that are active everywhere: grain 4 takes as long as no gate, grain 1 a fifth longer."""
    monkeypatch.setattr(evaluate, "read_costs", lambda name: table)
    run = write_run(tmp_path / "run", BlockGateSpec(grains=(4, 1, None)), 1, val_accuracy=0.5)
    path = run / "checkpoint.pt"
    state = read_checkpoint(path)
    for name, value in state["model"].items():
        if name.endswith("gate.branch.bias"):
            value.fill_(100.0)
    write_checkpoint(path, state)
    found = evaluate.predicted_time(path, "some-fp32", some_data(), NORMALIZER)
    assert found == {
        "costs": "some-fp32", "predicted_ms": pytest.approx(9.5 + 3 * 0.2),
        "predicted_share": pytest.approx(10.1 / 9.5, abs=1e-4),
    }  # fmt: skip
