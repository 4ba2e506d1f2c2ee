"""A run on an accelerator, its step captured as a graph, against the same run step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from test_photographs import photographs
from test_run import GATE, NORMALIZER, some_data, train_epochs

from sluice_training import fused
from sluice_training.checkpoint import build_model, read_checkpoint, write_checkpoint
from sluice_training.config import RunConfig
from sluice_training.nets import make_net
from sluice_training.run import Run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
DEVICE = torch.device("cuda")


def new_run(
    graphed: bool, precision: str = "fp32", gate: dict[str, Any] | None = GATE
) -> Run:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    teacher = make_net("resnet20", 10)
    config = RunConfig(
        epochs=3, batch_size=8, precision=precision, distill=0.5, mixup=0.5, test_density=True,
        peak_lr=0.01,
    )  # fmt: skip
    model = build_model("resnet20", gate, 10)
    return Run(model, config, some_data(), NORMALIZER, teacher, DEVICE, graphed)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("speed", ["plain", "fused"])
def test_a_captured_step_equals_the_step(speed: str, precision: str) -> None:
    fused.enable(speed == "fused", DEVICE)
    try:
        step_by_step, captured = new_run(False, precision), new_run(True, precision)
        wanted, found = train_epochs(step_by_step, 2), train_epochs(captured, 2)
    finally:
        fused.enable(False)
    # Sums by atomic additions round anew each time, in PyTorch's operators as well.
    assert found == pytest.approx(wanted, rel=0.03)
    states = [run.model.state_dict() for run in (step_by_step, captured)]
    counted = [name for name in states[0] if name.endswith("num_batches_tracked")]
    assert counted and all(int(states[1][name]) == 8 for name in counted if "gate" in name)
    changes = [run.state()["correction"]["corrections"] for run in (step_by_step, captured)]
    assert changes[0] == pytest.approx(changes[1], abs=2e-3)


def test_a_step_is_captured_anew_where_sizes_and_rounding_change() -> None:
    """24 pixels, then 32, then 32 as if quantised; gates per block with noise."""
    losses = []
    for graphed in (False, True):
        torch.manual_seed(1)
        gate = {"form": "block", "grains": [1, 4, 0]}
        config = RunConfig(
            epochs=3, batch_size=8, precision="fp32", sizes="24,32@0.3", int8=0.34, peak_lr=0.01,
            mask_temperature="5..0.1", noise_off=1.0,
        )  # fmt: skip
        run = Run(
            build_model("resnet20", gate, 10), config, some_data(), NORMALIZER, None, DEVICE, graphed
        )
        losses.append(train_epochs(run, 3))
        assert all(high > 0 for _, high in run.state()["int8"].values())
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


def test_photographs_are_cropped_on_the_device() -> None:
    data = photographs(32, 40, 32)
    losses = []
    for graphed in (False, True):
        torch.manual_seed(1)
        config = RunConfig(epochs=2, batch_size=8, precision="fp32", sizes="24,32@0.5", peak_lr=0.01)
        run = Run(make_net("resnet20", 2), config, data, NORMALIZER, None, DEVICE, graphed)
        losses.append([run.train_epoch()["train_loss"] for _ in range(2)])
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


@pytest.mark.parametrize("form", ["none", "kxk-one", "1x1"])
def test_fused_operators_learn_as_plain_ones(form: str) -> None:
    records = []
    for fuse in (False, True):
        fused.enable(fuse, DEVICE)
        try:
            gate = None if form == "none" else GATE | {"form": form}
            records.append(train_epochs(new_run(fuse, "bf16", gate), 2))
        finally:
            fused.enable(False)
    assert records[1] == pytest.approx(records[0], rel=0.03)


def test_a_captured_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    fused.enable(True, DEVICE)
    try:
        whole = new_run(True)
        train_epochs(whole, 1)
        described = {"net": "resnet20", "gate": GATE, "classes": [], "mean": [], "std": []}
        write_checkpoint(tmp_path / "c.pt", described | whole.state())
        wanted = train_epochs(whole, 2)
        resumed = new_run(True)
        resumed.restore(read_checkpoint(tmp_path / "c.pt"))
        assert train_epochs(resumed, 2) == pytest.approx(wanted, rel=2e-2)
    finally:
        fused.enable(False)
