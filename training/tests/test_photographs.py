"""Folders of photographs: the cache, crops against Pillow's, and sizes that change over a run."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from test_run import NORMALIZER, some_data

from sluice_training import image_cache
from sluice_training.batches import AugmentedBatches, Normalizer, plain_batches
from sluice_training.config import RunConfig
from sluice_training.data import hold_out, read_split
from sluice_training.errors import TrainingError
from sluice_training.nets import make_net
from sluice_training.onnx_file import input_side, read_image_info
from sluice_training.photographs import CroppedBatches, Photographs, crop_weights, resample
from sluice_training.run import Run
from sluice_training.stages import parse_stages

PLAIN = Normalizer((0.0,) * 3, (1 / 255,) * 3)


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A random image without single bright pixels, which JPEG would not keep."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def write_photographs(data: Path, train: int = 11, test: int = 2) -> None:
    for split, count in (("train", train), ("val", test)):
        for label, name in enumerate(("ant", "bee")):
            (data / split / name).mkdir(parents=True)
            for i in range(count):
                image = smooth(80 + 3 * i, 100, 100 * label + i)
                image = np.clip(image // 2 + 100 * label, 0, 255).astype(np.uint8)
                Image.fromarray(image).save(data / split / name / f"{i:03}.jpg", quality=95)


def photographs(count: int, side: int, size: int) -> Photographs:
    squares = torch.stack([torch.from_numpy(smooth(side, side, i).copy()) for i in range(count)])
    return Photographs(squares, torch.arange(count), torch.arange(count) % 2, ("a", "b"), size)


@pytest.mark.parametrize(("side", "size"), [(96, 56), (70, 56), (48, 56)])
def test_evaluation_crops_are_what_classify_makes_of_an_image(side: int, size: int) -> None:
    """Pillow's resize of the shorter side to 8/7 of the size, then the centre; shrunk and enlarged."""
    data = photographs(2, side, size)
    assert data.shorter_side == 64
    found = data.pixels(0, 2)
    for pixels, square in zip(found, data.squares):
        whole = Image.fromarray(square.numpy()).resize((64, 64), Image.Resampling.BILINEAR)
        wanted = np.asarray(whole)[4:60, 4:60].astype(float)
        assert np.abs(pixels.numpy() - wanted).max() < 1.5
    images, labels = next(plain_batches(data, PLAIN))
    assert images.shape == (2, 3, size, size) and labels.tolist() == [0, 1]


def test_training_crops_are_pillows_of_the_same_box() -> None:
    side, size, least = 90, 40, 0.3
    square = torch.from_numpy(smooth(side, side).copy())
    shifts = torch.rand(5, 6, generator=torch.Generator().manual_seed(2))
    shifts[4] = torch.tensor([0.1, 0.9] * 3)
    found = resample(square.repeat(6, 1, 1, 1), *crop_weights(shifts, least, size, side))
    for pixels, (area, aspect, y, x, mirror) in zip(found, shifts.T.tolist()):
        ratio = (4 / 3) ** (2 * aspect - 1)
        share = side * side * (least + (1 - least) * area)
        height, width = min((share / ratio) ** 0.5, side), min((share * ratio) ** 0.5, side)
        top, left = y * (side - height), x * (side - width)
        box = (left, top, left + width, top + height)
        wanted = Image.fromarray(square.numpy()).resize((size, size), Image.Resampling.BILINEAR, box)
        wanted = np.asarray(wanted).astype(float)
        wanted = wanted[:, ::-1] if mirror < 0.5 else wanted
        # Pillow reads nothing beyond the box.
        assert np.abs(pixels.numpy() - wanted)[2:-2, 2:-2].max() < 1.5


def test_batches_take_the_chosen_images_at_the_size_asked_for() -> None:
    data = photographs(8, 48, 40).select(torch.arange(8) >= 2)
    batches = CroppedBatches(data, PLAIN, 3, least=1.0)
    generator = torch.Generator().manual_seed(1)
    order = batches.draw_order(generator)
    assert order.shape == (2, 3) and len(batches) == 2
    shifts = batches.draw_shifts(generator)
    shifts[1], shifts[4] = 0.5, 0.9
    for size in (16, 24):
        images, labels = batches.batch(order[0], shifts, size)
        assert images.shape == (3, 3, size, size)
        assert labels.tolist() == data.labels[order[0]].tolist()
    images, _ = batches.batch(order[0], shifts, 48)
    wanted = data.squares[data.rows[order[0]]].permute(0, 3, 1, 2).float()
    assert torch.allclose(images, wanted, atol=1e-2)


def test_folders_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "insects"
    write_photographs(data)
    found = read_split(data, "train")
    assert isinstance(found, Photographs) and found.classes == ("ant", "bee")
    assert found.labels.tolist() == [0] * 11 + [1] * 11
    # The median of the shorter sides 80, 83, ... 110 of which some are widths.
    assert found.squares.shape == (22, 95, 95, 3)
    assert len(read_split(data, "test")) == 4
    cache = tmp_path / "insects.cache"
    assert sorted(path.name.partition("-")[0] for path in cache.glob("*.npy")) == ["train", "val"]
    assert not list(cache.glob("*.partial"))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    original = image_cache.decode_square
    monkeypatch.setattr(image_cache, "decode_square", refuse)
    again = read_split(data, "train")
    assert torch.equal(again.squares, found.squares)
    monkeypatch.setattr(image_cache, "decode_square", original)
    Image.fromarray(smooth(90, 90, 77)).save(data / "train" / "ant" / "000.jpg", quality=95)
    changed = read_split(data, "train")
    assert not torch.equal(changed.squares[0], found.squares[0])
    assert torch.equal(changed.squares[1], found.squares[1])


def test_images_are_turned_upright_and_cut_at_the_centre(tmp_path: Path) -> None:
    image = smooth(96, 144)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = tmp_path / "a.jpg"
    Image.fromarray(image).save(path, exif=exif, quality=98)
    found = image_cache.decode_square(path.read_bytes(), "a.jpg", 96)
    wanted = np.rot90(image, -1)[24:120]
    assert np.abs(found.astype(float) - wanted).mean() < 3


def test_unreadable_photographs_and_caches_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "insects"
    write_photographs(data, train=2)
    (tmp_path / "file").touch()
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(TrainingError, match="set SLUICE_CACHE"):
        read_split(data, "train")
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "elsewhere"))
    bad = data / "train" / "bee" / "001.jpg"
    bad.write_bytes(bad.read_bytes()[:400])
    with pytest.raises(TrainingError, match="001.jpg: not a readable image"):
        read_split(data, "train")
    assert not list((tmp_path / "elsewhere").glob("*.npy"))


def test_a_tenth_of_the_photographs_is_held_out() -> None:
    data = photographs(40, 8, 8)
    training, held = hold_out(data)
    assert held.rows.tolist() == [0, 1, 20, 21] and len(training) == 36
    assert not set(held.rows.tolist()) & set(training.rows.tolist())
    assert held.resized(16).input_size == (3, 16, 16)


def test_sizes_of_a_run() -> None:
    stages = parse_stages("sizes", "128,176@0.5,224@0.8", int)
    assert [stages.at(p) for p in (0.0, 0.49, 0.5, 0.79, 0.8, 1.0)] == [128, 128, 176, 176, 224, 224]
    assert stages.last == 224
    # 24 of 30 epochs are four fifths, whatever float64 says.
    assert stages.at(24 / 30) == 224
    assert parse_stages("sizes", "64").at(0.3) == 64
    fall = parse_stages("temperature", "5..0.05")
    assert [fall.at(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([5.0, 0.5, 0.05])


@pytest.mark.parametrize(
    "text", ["", "a", "128@0.5", "128,224", "128,224@0.5,96@0.4", "128,224@1.5", "0", "1..2..3", "-3"]
)
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(TrainingError, match="sizes"):
        parse_stages("sizes", text, int)


@pytest.mark.parametrize("options", [{"sizes": "224..128"}, {"sizes": "128,224"}, {"least_crop": 0.0}])
def test_bad_options_of_sizes_are_refused(options: dict) -> None:
    with pytest.raises(TrainingError, match="sizes|least_crop"):
        RunConfig(epochs=1, **options)


def test_small_images_are_cut_around_the_shifted_centre() -> None:
    batches = AugmentedBatches(some_data(), PLAIN, 32)
    chosen = torch.arange(32)
    shifts = batches.draw_shifts(torch.Generator().manual_seed(3))
    whole, _ = batches.batch(chosen, shifts)
    part, _ = batches.batch(chosen, shifts, 24)
    assert torch.equal(part, whole[:, :, 4:28, 4:28])
    with pytest.raises(TrainingError, match="size 40: the images have 32"):
        batches.batch(chosen, shifts, 40)


def test_a_run_changes_its_size_and_keeps_the_last_for_validation() -> None:
    config = RunConfig(epochs=4, batch_size=8, precision="fp32", sizes="16,24@0.25,32@0.75")
    run = Run(make_net("resnet20", 10), config, some_data(), NORMALIZER)
    seen: list[int] = []
    run.model.register_forward_hook(lambda m, inputs, o: seen.append(inputs[0].shape[2]))
    for _ in range(4):
        run.train_epoch()
    assert seen == [16] * 4 + [24] * 8 + [32] * 4
    with pytest.raises(TrainingError, match="size 24: the images are 32"):
        some_data().resized(24)


def test_photographs_learn_at_two_sizes() -> None:
    """Two classes of different brightness are told apart after a few steps."""
    config = RunConfig(
        epochs=3, batch_size=8, precision="fp32", sizes="16,32@0.6", peak_lr=0.05, warmup=0.0
    )
    data = photographs(32, 40, 32)
    squares = (data.squares // 4) + (data.labels * 150)[:, None, None, None].to(torch.uint8)
    data = Photographs(squares, data.rows, data.labels, data.classes, 32)
    torch.manual_seed(1)
    run = Run(make_net("resnet20", 2), config, data, NORMALIZER)
    accuracies = [run.train_epoch()["train_accuracy"] for _ in range(3)]
    assert accuracies[-1] > 0.8


def call(monkeypatch: pytest.MonkeyPatch, module: str, *words: object) -> None:
    """Run one of the command lines in this process."""
    monkeypatch.setattr(sys, "argv", [module, *map(str, words)])
    importlib.import_module(module).main()


def test_the_command_lines_take_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Train, calibrate, export, evaluate and draw masks; all at the run's last size."""
    data, run = tmp_path / "insects", tmp_path / "runs" / "r"
    write_photographs(data)
    options = "--net resnet20 --epochs 2 --batch-size 5 --sizes 24,40@0.5 --precision fp32".split()
    options += "--gate block --grains 4,1,map --target 0.6 --branch 1x1 --pool mean".split()
    call(monkeypatch, "train", "--data", data, "--output", run, *options)
    checkpoint = run / "checkpoint.pt"
    call(monkeypatch, "calibrate", "--checkpoint", checkpoint, "--data", data, "--output", run / "c.pt")
    call(monkeypatch, "export", "--checkpoint", run / "c.pt", "--output", tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    assert input_side(proto, tmp_path) == 40
    assert read_image_info(proto, tmp_path).shorter_side == 46
    capsys.readouterr()
    card = ["--checkpoint", run / "c.pt", "--log", run / "log.jsonl", "--card", tmp_path / "m.md"]
    splits = ["--split", "test", "validation"]
    call(monkeypatch, "evaluate", "--onnx", tmp_path / "m.onnx", "--data", data, *splits, *card)
    found = json.loads(capsys.readouterr().out)
    assert 0 <= found["test"] <= 1 and "net MACs cut" in (tmp_path / "m.md").read_text()
    masks = ["--masks", "r", "--images", 2, "--no-plot"]
    report = ["--runs", run.parent, "--output", tmp_path / "report", "--data", data, *masks]
    call(monkeypatch, "report", *report)
    sheet = Image.open(tmp_path / "report" / "masks_r.png")
    assert sheet.size == (2 * (2 * 40) + 2, 10 * (2 * 40) + 9 * 2)
    # Trained on, the file is a start for another run.
    options[options.index("--sizes") + 1] = "40"
    more = ["--warm-start", tmp_path / "m.onnx", "--teacher", tmp_path / "m.onnx", "--distill", "0.5"]
    again = tmp_path / "runs" / "again"
    options[options.index("--epochs") + 1] = "1"
    call(monkeypatch, "train", "--data", data, "--output", again, *options, *more, "--teacher-table")
    assert (again / "teacher.pt").exists() and (again / "checkpoint.pt").exists()
