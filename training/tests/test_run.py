"""Resuming equals not stopping; checkpoints; the density controller; the command lines' errors."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sluice_training import fused
from sluice_training.batches import Normalizer, mix_pairs
from sluice_training.block_gates import WHOLE_MAP
from sluice_training.checkpoint import build_model, read_checkpoint, warm_start, write_checkpoint
from sluice_training.config import RunConfig, learning_rate, stored_config
from sluice_training.data import LabelledImages
from sluice_training.density import DensityController
from sluice_training.errors import TrainingError
from sluice_training.lccl import GatedConv2d, GateSpec
from sluice_training.loop import locked, read_log, train, validate
from sluice_training.nets import fold_norms, make_net
from sluice_training.run import Run
from train import parse_arguments, read_state

TRAINING = Path(__file__).resolve().parent.parent
NORMALIZER = Normalizer((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
GATE = GateSpec().__dict__


def some_data() -> LabelledImages:
    generator = torch.Generator().manual_seed(11)
    images = torch.randint(256, (32, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return LabelledImages(images, torch.arange(32) % 10, tuple("abcdefghij"))


BLOCK_GATE = {"form": "block", "grains": (1, 4, WHOLE_MAP), "layers": "*"}
OPTIONS = {
    "common": {},
    "layers": {
        "densities": tuple(0.3 + 0.02 * i for i in range(18)),
        "gate_lr": 0.1,
        "test_density": True,
        "anneal": 0.0,
        "schedule": "step",
    },
    "distilled": {"distill": 0.5, "mixup": 0.5},
    "blocks": {"gate_lr": 2.0, "relax": 0.4, "noise_off": 0.4, "mask_temperature": "5..0.1"},
    "sizes and int8": {"sizes": "24,32@0.6", "int8": 0.7},
}


def gate_of(options: str) -> dict[str, Any]:
    return BLOCK_GATE if options == "blocks" else GATE


def new_run(seed: int, options: dict[str, Any], gate: dict[str, Any] = GATE) -> Run:
    torch.manual_seed(5)
    teacher = make_net("resnet20", 10) if "distill" in options else None
    torch.manual_seed(seed)
    config = RunConfig(epochs=3, batch_size=8, precision="fp32", **options)
    return Run(build_model("resnet20", gate, 10), config, some_data(), NORMALIZER, teacher)


def train_epochs(run: Run, count: int) -> list[float]:
    """Epochs with their validation; returns the training losses."""
    losses = []
    for _ in range(count):
        losses.append(run.train_epoch()["train_loss"])
        run.after_validation(validate(run.model, some_data(), NORMALIZER)[2])
    return losses


@pytest.mark.parametrize("speed", ["plain", "fused"])
@pytest.mark.parametrize("options", OPTIONS)
def test_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    tmp_path: Path, options: str, speed: str
) -> None:
    torch.set_num_threads(1)
    fused.enable(speed == "fused")
    try:
        whole = new_run(1, OPTIONS[options], gate_of(options))
        train_epochs(whole, 1)
        described = {"net": "resnet20", "gate": gate_of(options), "classes": [], "mean": [], "std": []}
        write_checkpoint(tmp_path / "c.pt", described | whole.state())
        after_one = {k: v.clone() for k, v in whole.model.state_dict().items()}
        train_epochs(whole, 2)

        resumed = new_run(99, OPTIONS[options], gate_of(options))
        resumed.restore(read_checkpoint(tmp_path / "c.pt"))
        train_epochs(resumed, 2)
    finally:
        fused.enable(False)

    final, again = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(final[name], again[name]) for name in final)
    assert not torch.equal(final["linear.weight"], after_one["linear.weight"])


def test_distillation_by_hand() -> None:
    """Ten classes, all scores 0 but the teacher's first, 4: at temperature 2 its probabilities are
    e^2 / (e^2 + 9) and 1 / (e^2 + 9); the network's are all 1/10."""
    run = new_run(1, {"distill": 0.25, "temperature": 2.0})
    run._teacher = lambda images: torch.tensor([[4.0] + [0.0] * 9])
    wanted = run._wanted(torch.zeros(1, 3, 32, 32), torch.tensor([0]), None)
    found = run._loss(torch.zeros(1, 10), torch.tensor([3]), wanted)
    first, other = math.exp(2) / (math.exp(2) + 9), 1 / (math.exp(2) + 9)
    divergence = first * math.log(10 * first) + 9 * other * math.log(10 * other)
    assert float(found) == pytest.approx(0.75 * math.log(10) + 0.25 * 4 * divergence, rel=1e-5)
    run.config = replace(run.config, distill_adds=True)
    found = run._loss(torch.zeros(1, 10), torch.tensor([3]), wanted)
    assert float(found) == pytest.approx(math.log(10) + 0.25 * 4 * divergence, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "left"),
    [("resnet20", 0), ("resnet18", 3), ("preresnet20", 19), ("gated", 18), ("blocks", 0)],
)
def test_folded_norms_leave_the_scores_as_they_are(name: str, left: int) -> None:
    """Projections, pre-activation networks and gated layers keep their norms."""
    torch.manual_seed(4)
    gate = {"gated": GATE, "blocks": BLOCK_GATE}.get(name)
    model = build_model("resnet20" if gate else name, gate, 10)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, 32, 32)
    wanted = model.eval()(images)
    assert torch.allclose(fold_norms(model)(images), wanted, atol=1e-4, rtol=1e-4)
    counted = [
        name for name, m in model.named_modules()
        if isinstance(m, nn.BatchNorm2d) and ".gate." not in name
    ]  # fmt: skip
    assert len(counted) == left


def test_mixed_pairs_share_images_and_labels_alike() -> None:
    """Images of one value each, 0 to 3, of as many classes: what is seen is what is labelled."""
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 2, 2)
    share = 0.3
    mixed, labels = mix_pairs((images, torch.arange(4)), 5, torch.tensor(share))
    wanted = torch.tensor([0, 1, 2, 3]) * (1 - share) + torch.tensor([3, 2, 1, 0]) * share
    assert torch.allclose(mixed, wanted.reshape(4, 1, 1, 1).expand(4, 3, 2, 2))
    assert torch.allclose(labels.sum(1), torch.ones(4))
    assert torch.allclose(labels @ torch.arange(5.0), wanted)


def test_gates_learn_at_their_own_rate() -> None:
    run = new_run(1, {"gate_lr": 0.0})
    before = {k: v.clone() for k, v in run.model.named_parameters()}
    run.train_epoch()
    for name, value in run.model.named_parameters():
        if "gate.branch" in name:
            assert torch.equal(value, before[name]), name
        elif "conv.weight" in name:
            assert not torch.equal(value, before[name]), name


def test_configurations_stored_before_a_field_existed_still_load() -> None:
    stored = {"epochs": 3, "seed": 7}
    assert stored_config(stored) == RunConfig(epochs=3, seed=7)
    assert stored_config(asdict(RunConfig(epochs=3, densities=(0.5,)))).densities == (0.5,)
    with pytest.raises(TrainingError, match="option 'colour'"):
        stored_config(stored | {"colour": 1})


def test_older_checkpoints_with_one_correction_go_on() -> None:
    run = new_run(1, {})
    state = run.state() | {"correction": 0.25}
    run.restore(state)
    assert run.state()["correction"] == {"corrections": [0.25], "gaps": [0.0]}


def test_a_run_goes_on_in_another_precision_but_not_at_another_rate(tmp_path: Path) -> None:
    described = {"net": "resnet20", "gate": GATE, "classes": [], "mean": [], "std": []}
    run = new_run(1, {})
    write_checkpoint(tmp_path / "checkpoint.pt", described | run.state())
    line = ["--data", "D", "--output", str(tmp_path), "--gate", "kxk-one", "--resume"]
    arguments = parse_arguments(line)
    assert read_state(arguments, replace(run.config, precision="bf16")) is not None
    with pytest.raises(TrainingError, match="belongs to other options"):
        read_state(arguments, replace(run.config, peak_lr=0.3))


def test_a_run_with_block_gates_goes_on_with_the_same_grains_alone(tmp_path: Path) -> None:
    described = {"net": "resnet20", "gate": BLOCK_GATE, "classes": [], "mean": [], "std": []}
    run = new_run(1, {}, BLOCK_GATE)
    write_checkpoint(tmp_path / "checkpoint.pt", described | run.state())
    line = ["--data", "D", "--output", str(tmp_path), "--gate", "block", "--resume"]
    assert read_state(parse_arguments([*line, "--grains", "1,4,map"]), run.config) is not None
    with pytest.raises(TrainingError, match="belongs to other options"):
        read_state(parse_arguments(line), run.config)


def test_a_folder_is_trained_by_one_process(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        with pytest.raises(TrainingError, match="another process"):
            with locked(tmp_path / "run"):
                pass
    with locked(tmp_path / "run"):
        pass


def test_train_writes_a_line_an_epoch_and_drops_those_that_run_again(tmp_path: Path) -> None:
    run = new_run(1, {})
    old = '{"epoch": 1, "seconds": 1}\n'
    (tmp_path / "log.jsonl").write_text(old.replace("1,", "9,"))
    train(run, some_data(), NORMALIZER, tmp_path, {"net": "resnet20", "gate": GATE})
    records = read_log(tmp_path)
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert len(records[-1]["densities"]) == 18 and records[-1]["dead_maps"] >= 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "log.jsonl"]


def test_warm_start_keeps_the_dense_weights(tmp_path: Path) -> None:
    dense, gated = make_net("resnet20", 10), build_model("resnet20", GATE, 10)
    warm_start(gated, {"model": dense.state_dict()}, tmp_path)
    assert torch.equal(gated.blocks[4].conv2.conv.weight, dense.blocks[4].conv2.weight)
    blocks = build_model("resnet20", BLOCK_GATE, 10)
    warm_start(blocks, {"model": dense.state_dict()}, tmp_path)
    assert torch.equal(blocks.blocks[4].conv2.weight, dense.blocks[4].conv2.weight)
    with pytest.raises(TrainingError, match="has no place"):
        warm_start(gated, {"model": make_net("resnet32", 10).state_dict()}, tmp_path)


def test_warm_start_by_a_network_of_other_classes_keeps_the_classifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ten, hundred = make_net("resnet20", 10), build_model("resnet20", BLOCK_GATE, 100)
    before = hundred.linear.weight.clone()
    warm_start(hundred, {"model": ten.state_dict()}, tmp_path)
    assert torch.equal(hundred.linear.weight, before)
    assert torch.equal(hundred.blocks[4].conv2.weight, ten.blocks[4].conv2.weight)
    assert "knows 10 classes; 'linear.weight' starts anew" in capsys.readouterr().err


def test_learning_rate_at_known_points() -> None:
    config = RunConfig(epochs=1, peak_lr=0.4, warmup=0.2)
    found = [learning_rate(config, p) for p in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert found == pytest.approx([0.0, 0.2, 0.4, 0.2, 0.0])
    config = RunConfig(epochs=1, peak_lr=0.1, warmup=0.0, schedule="step")
    found = [learning_rate(config, p) for p in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)]
    assert found == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    config = replace(config, steps="0.3,0.6,0.9")
    found = [learning_rate(config, p) for p in (0.29, 0.3, 0.6, 0.95)]
    assert found == pytest.approx([0.1, 0.01, 0.001, 0.0001])
    with pytest.raises(TrainingError, match="write shares of the run"):
        replace(config, steps="150;250")


def test_controller_reaches_its_target_on_a_skewed_branch() -> None:
    """Exponential inputs: the open-loop threshold 0 would leave exp(-1) = 0.37 active, not 0.5."""
    torch.manual_seed(2)
    layer = nn.Sequential(GatedConv2d(nn.Conv2d(1, 1, 1, bias=False), GateSpec("1x1"))).train()
    layer[0].gate.branch.weight.data.fill_(1.0)
    controller = DensityController(layer, {"0": 1.0}, target=0.5, anneal=0.5)
    exponential = torch.distributions.Exponential(1.0)
    densities = []
    for step in range(400):
        thresholds, wanted = map(torch.tensor, controller.schedule(step / 400))
        controller.before_step(thresholds)
        layer(exponential.sample((16, 1, 8, 8)))
        controller.after_step(wanted)
        densities.append(controller.density)
    assert densities[0] > 0.95
    assert sum(densities[-50:]) / 50 == pytest.approx(0.5, abs=0.02)
    # The median of an exponential lies 1 - ln 2 standard deviations below its mean.
    threshold = controller.scheduled_threshold(1.0, 0.5) + controller.correction
    assert threshold == pytest.approx(1 - math.log(2), abs=0.05)


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_damaged_checkpoints_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="c.pt: not a readable checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["train.py", "--data", "nowhere", "--output", "out"], "nowhere/train: no such folder"),
        (["export.py", "--checkpoint", "none.pt", "--output", "x.onnx"], "none.pt: no such"),
        (["evaluate.py", "--onnx", "none.onnx", "--data", "nowhere"], "none.onnx: not a readable"),
    ],
)
def test_command_lines_give_one_clear_line(tmp_path: Path, command: list[str], named: str) -> None:
    script, *options = command
    done = subprocess.run(
        [sys.executable, str(TRAINING / script), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
