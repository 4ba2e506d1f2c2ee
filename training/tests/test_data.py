"""Reading images, the split, statistics and augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sluice_training.batches import AugmentedBatches, Normalizer, plain_batches
from sluice_training.data import LabelledImages, channel_statistics, hold_out, read_split
from sluice_training.errors import TrainingError


def write_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_class_folders_give_known_pixels_and_alphabetical_labels(tmp_path: Path) -> None:
    first = np.arange(4 * 4 * 3).reshape(4, 4, 3)
    write_image(tmp_path / "train" / "zebra" / "0000.png", first + 100)
    write_image(tmp_path / "train" / "ant" / "0000.png", first)
    data = read_split(tmp_path, "train")
    assert data.classes == ("ant", "zebra")
    assert data.labels.tolist() == [0, 1]
    assert data.images.tolist() == [first.tolist(), (first + 100).tolist()]


def test_bad_folders_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="train: no such folder"):
        read_split(tmp_path, "train")
    (tmp_path / "train" / "ant").mkdir(parents=True)
    with pytest.raises(TrainingError, match="ant: holds no images"):
        read_split(tmp_path, "train")
    (tmp_path / "train" / "ant" / "bad.jpg").write_bytes(b"\xff\xd8 cut short")
    with pytest.raises(TrainingError, match="bad.jpg: not a readable image"):
        read_split(tmp_path, "train")


def test_mixed_sizes_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "test" / "ant" / "a.png", np.zeros((4, 4, 3)))
    write_image(tmp_path / "test" / "ant" / "b.png", np.zeros((4, 5, 3)))
    with pytest.raises(TrainingError, match="b.png: is 5x4"):
        read_split(tmp_path, "test")


def test_hold_out_takes_a_tenth_of_each_class() -> None:
    labels = torch.tensor([0, 1] * 20)
    images = torch.arange(40, dtype=torch.uint8).reshape(40, 1, 1, 1).expand(40, 1, 1, 3)
    training, held = hold_out(LabelledImages(images, labels, ("a", "b")))
    assert held.images[:, 0, 0, 0].tolist() == [0, 1, 20, 21]
    assert len(training) == 36


def test_statistics_and_normalisation_by_hand() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1).expand(2, 1, 1, 3)
    mean, std = channel_statistics(images)
    assert mean == (0.5, 0.5, 0.5) and std == (0.5, 0.5, 0.5)
    data = LabelledImages(images, torch.tensor([0, 0]), ("a",))
    images, _ = next(plain_batches(data, Normalizer(mean, std)))
    assert images.flatten().tolist() == pytest.approx([-1.0] * 3 + [1.0] * 3, abs=1e-6)


def test_augmentation_is_a_shift_and_a_mirror() -> None:
    """Every batch entry must equal one of the 2 x 3 x 3 crops of its own image."""
    images = torch.randint(256, (8, 5, 5, 3), dtype=torch.uint8)
    data = LabelledImages(images, torch.arange(8), tuple("abcdefgh"))
    normalizer = Normalizer((0.5, 0.5, 0.5), (1 / 255,) * 3)
    generator = torch.Generator().manual_seed(5)
    batches = AugmentedBatches(data, normalizer, 8, pad=1)
    (chosen,) = batches.draw_order(generator)
    shifted, labels = batches.batch(chosen, batches.draw_shifts(generator))
    assert sorted(labels.tolist()) == list(range(8))
    fill = 128
    seen = set()
    for image, label in zip(shifted, labels):
        found = (image + 127.5).round().permute(1, 2, 0)
        padded = np.pad(images[label].numpy(), ((1, 1), (1, 1), (0, 0)), constant_values=fill)
        crops = {
            (y, x, step): padded[y : y + 5, x : x + 5][:, ::step]
            for y in range(3)
            for x in range(3)
            for step in (1, -1)
        }
        matches = [key for key, crop in crops.items() if np.array_equal(found.numpy(), crop)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) > 2
