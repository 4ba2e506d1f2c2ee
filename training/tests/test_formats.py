"""CIFAR's own formats, mosaics and archives, written here byte by byte from known pixels."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sluice_training.data import read_split
from sluice_training.errors import TrainingError

NAMES = ("ant", "bee", "cat")


def random_images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def planes(images: np.ndarray) -> bytes:
    """One image's bytes as CIFAR has them: all red, all green, all blue, row by row."""
    return b"".join(images[:, :, colour].tobytes() for colour in range(3))


def write_binary(folder: Path, coarse: bool, images: np.ndarray, labels: list[int]) -> None:
    names = ("train.bin", "test.bin") if coarse else ("data_batch_1.bin", "test_batch.bin")
    prefix = b"\x07" if coarse else b""
    records = b"".join(prefix + bytes([label]) + planes(x) for x, label in zip(images, labels))
    for name in names:
        (folder / name).write_bytes(records)
    meta = "fine_label_names.txt" if coarse else "batches.meta.txt"
    (folder / meta).write_text("\n".join(NAMES) + "\n\n")


def write_pickled(folder: Path, coarse: bool, images: np.ndarray, labels: list[int]) -> None:
    """As Python 2 wrote them: text is bytes, protocol 2."""
    data = np.stack([np.frombuffer(planes(x), np.uint8) for x in images])
    key = b"fine_labels" if coarse else b"labels"
    batch = {key: labels, b"data": data, b"coarse_labels": [0] * len(labels)}
    for name in ("train", "test") if coarse else ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = [name.encode() for name in NAMES]
    meta = {b"fine_label_names" if coarse else b"label_names": names}
    (folder / ("meta" if coarse else "batches.meta")).write_bytes(pickle.dumps(meta, protocol=2))


@pytest.mark.parametrize("coarse", [False, True], ids=["cifar10", "cifar100"])
@pytest.mark.parametrize("write", [write_binary, write_pickled])
def test_original_formats(tmp_path: Path, write, coarse: bool) -> None:
    images = random_images(4)
    write(tmp_path, coarse, images, [2, 0, 1, 2])
    for split in ("train", "test"):
        data = read_split(tmp_path, split)
        assert data.classes == NAMES
        assert data.labels.tolist() == [2, 0, 1, 2]
        assert np.array_equal(data.images.numpy(), images)


def test_batches_are_read_in_order(tmp_path: Path) -> None:
    first, second = random_images(2, 1), random_images(3, 2)
    write_binary(tmp_path, False, first, [0, 1])
    (tmp_path / "data_batch_2.bin").write_bytes(b"".join(b"\x02" + planes(x) for x in second))
    data = read_split(tmp_path, "train")
    assert data.labels.tolist() == [0, 1, 2, 2, 2]
    assert np.array_equal(data.images.numpy(), np.concatenate([first, second]))


def test_mosaics_are_row_major(tmp_path: Path) -> None:
    images = random_images(12)
    for name, part in (("bee", images[:6]), ("ant", images[6:])):
        mosaic = part.reshape(2, 3, 32, 32, 3).swapaxes(1, 2).reshape(64, 96, 3)
        (tmp_path / "train").mkdir(exist_ok=True)
        Image.fromarray(mosaic).save(tmp_path / "train" / f"{name}.webp", lossless=True)
    data = read_split(tmp_path, "train")
    assert data.classes == ("ant", "bee")
    assert data.labels.tolist() == [0] * 6 + [1] * 6
    assert np.array_equal(data.images.numpy(), np.concatenate([images[6:], images[:6]]))


def test_a_mosaic_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    Image.new("RGB", (64, 40)).save(tmp_path / "test" / "ant.webp")
    with pytest.raises(TrainingError, match="ant.webp: is 64x40, no grid of 32x32"):
        read_split(tmp_path, "test")


def write_archive(path: Path, entries: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w:gz") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("prefix", ["", "./", "some-folder/"])
def test_class_folders_inside_an_archive(tmp_path: Path, prefix: str) -> None:
    entries = {}
    images = random_images(3)
    for name, image in zip(("bee/0000", "ant/0001", "ant/0000"), images):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "png")
        entries[f"{prefix}train/{name}.png"] = stream.getvalue()
    write_archive(tmp_path / "d.tar.xz", entries)
    data = read_split(tmp_path / "d.tar.xz", "train")
    assert (data.classes, data.labels.tolist()) == (("ant", "bee"), [0, 0, 1])
    assert np.array_equal(data.images.numpy(), images[::-1])
    assert [path.name for path in tmp_path.iterdir()] == ["d.tar.xz"]


def test_the_original_archive(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    images = random_images(2)
    write_pickled(folder, False, images, [1, 0])
    entries = {f"{folder.name}/{file.name}": file.read_bytes() for file in folder.iterdir()}
    write_archive(tmp_path / "cifar-10-python.tar.gz", entries)
    data = read_split(tmp_path / "cifar-10-python.tar.gz", "test")
    assert np.array_equal(data.images.numpy(), images)


class Spy:
    def __reduce__(self):
        return (print, ("ran",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_1.bin", b"\0" * 3074, "data_batch_1.bin: 3074 bytes are not whole records"),
        ("data_batch_1.bin", b"", "data_batch_1.bin: 0 bytes"),
        ("data_batch_1.bin", b"\x09" * 3073, "no class names"),
        ("data_batch_1", b"junk", "data_batch_1: not a pickle of CIFAR"),
        ("data_batch_1", pickle.dumps(Spy()), "data_batch_1: not a pickle.*holds builtins.print"),
        ("data_batch_1", pickle.dumps({"data": [1, 2]}), "data_batch_1: lacks CIFAR's labels"),
        ("readme.txt", b"hello", "train: no such folder; a data set holds"),
    ],
)
def test_bad_files_give_one_clear_line(
    tmp_path: Path, name: str, content: bytes, message: str, capsys
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError, match=message) as raised:
        read_split(tmp_path, "train")
    assert "\n" not in str(raised.value)
    assert capsys.readouterr().out == ""


def test_labels_beyond_the_names_are_refused(tmp_path: Path) -> None:
    write_binary(tmp_path, False, random_images(1), [9])
    with pytest.raises(TrainingError, match="label 9, but 3 class names"):
        read_split(tmp_path, "train")


@pytest.mark.parametrize("cut", [0, 100])
def test_damaged_archives_are_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "d.tar.xz"
    write_archive(path, {"train/ant/0.png": bytes(5000)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TrainingError, match="d.tar.xz: not a readable tar archive"):
        read_split(path, "train")
