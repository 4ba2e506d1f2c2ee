"""Narrow and shallow versions of the networks, for `make test`: of equal blocks in a row one stays,
and of the channels a fraction."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models import densenet
from torchvision.models._utils import IntermediateLayerGetter

import detectors
import generative
from networks import NETWORKS

IMAGE_CHANNELS = 3  # no width


def describe(module: nn.Module) -> str:
    """What two blocks have in common that can stand for one another."""
    return re.sub(r"StochasticDepth\([^)]*\)", "", repr(module))


def drop_repeated_blocks(model: nn.Module) -> None:
    """A block that repeats the one before it keeps its shape, so that what follows does not miss it."""
    for parent in list(model.modules()):
        if not isinstance(parent, (nn.Sequential, IntermediateLayerGetter)):
            continue
        returned = getattr(parent, "return_layers", {})
        before = ""
        for name, child in list(parent.named_children()):
            described = describe(child)
            if described == before and any(True for _ in child.parameters()) and name not in returned:
                del parent._modules[name]
            before = described


class Narrower:
    """Divides the widths of all layers. One that is no multiple is rounded up, so concatenated ones
    have to be multiples."""

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor

    def width(self, width: int) -> int:
        return width if width == IMAGE_CHANNELS else math.ceil(width / self.divisor)

    def groups(self, module: nn.Conv2d) -> int:
        """Depthwise layers stay so; groups become narrower where they can, else fewer."""
        if module.groups == module.in_channels:
            return self.width(module.in_channels)
        narrower = module.in_channels // module.groups % self.divisor == 0
        return module.groups if narrower else self.width(module.groups)

    def conv(self, module: nn.Conv2d) -> None:
        module.groups = self.groups(module) if module.groups > 1 else 1
        module.in_channels = self.width(module.in_channels)
        module.out_channels = self.width(module.out_channels)
        shape = (module.out_channels, module.in_channels // module.groups, *module.kernel_size)
        module.weight = nn.Parameter(torch.empty(shape))
        if module.bias is not None:
            module.bias = nn.Parameter(torch.empty(module.out_channels))

    def linear(self, module: nn.Linear) -> None:
        module.in_features = self.width(module.in_features)
        module.out_features = self.width(module.out_features)
        module.weight = nn.Parameter(torch.empty(module.out_features, module.in_features))
        if module.bias is not None:
            module.bias = nn.Parameter(torch.empty(module.out_features))

    def norm(self, module: nn.Module) -> None:
        for name, tensor in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(torch.empty(self.width(len(tensor)))))
        for name, tensor in list(module.named_buffers(recurse=False)):
            if tensor.ndim == 1:
                setattr(module, name, torch.zeros(self.width(len(tensor))))
        if isinstance(module, nn.LayerNorm):
            module.normalized_shape = tuple(self.width(w) for w in module.normalized_shape)

    def other(self, module: nn.Module) -> None:
        """The scales of residual blocks, and the widths at which blocks cut a tensor."""
        for name, parameter in list(module.named_parameters(recurse=False)):
            shape = (self.width(parameter.shape[0]), *parameter.shape[1:])
            setattr(module, name, nn.Parameter(torch.empty(shape)))
        if hasattr(module, "out_chs"):
            module.out_chs = self.width(module.out_chs)

    def apply(self, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                self.conv(module)
            elif isinstance(module, nn.Linear):
                self.linear(module)
            elif isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)):
                self.norm(module)
            else:
                self.other(module)
        return model


@dataclass(frozen=True)
class Narrow:
    size: int = 40  # of the image's sides
    divisor: int = 8
    build: Callable[[], nn.Module] | None = None  # where other layers than the network's are meant
    whole: bool = False  # `build` is narrow already


def small_densenet() -> nn.Module:
    return densenet.DenseNet(block_config=(2, 3, 2, 2))


# What differs from Narrow(). Sizes leave something to each pooling, and adaptive poolings a size that
# they divide, because the exporters ask for it.
EXCEPTIONS = {
    "alexnet": Narrow(224, 16),
    "dcgan_discriminator": Narrow(64, build=lambda: generative.Discriminator(5), whole=True),
    "dcgan_generator": Narrow(1, build=lambda: generative.Generator(5, latent=100), whole=True),
    "deeplabv3_mobilenet": Narrow(64),
    "densenet121": Narrow(64, build=small_densenet),
    "dncnn": Narrow(24, build=lambda: generative.DnCNN(7, depth=4), whole=True),
    "fcn_resnet50": Narrow(64),
    "googlenet": Narrow(64),
    "inception_v3": Narrow(107),
    "lraspp": Narrow(64),
    "shufflenet_v2": Narrow(32, 2),  # its halves are of 58 channels
    "squeezenet": Narrow(64),
    "srcnn": Narrow(20, build=lambda: generative.SRCNN(10), whole=True),
    "unet": Narrow(32, build=lambda: generative.UNet(5, depth=2), whole=True),
    "vgg11_bn": Narrow(224, 16),
    "yolo_leaky": Narrow(64, build=lambda: detectors.TinyDetector(4, classes=3), whole=True),
    "yolo_silu": Narrow(64, build=lambda: detectors.RawDetector(4, classes=3), whole=True),
    "yolo_silu_boxes": Narrow(
        64, build=lambda: detectors.BoxDetector(64, 4, classes=3, bins=5), whole=True),
}


def build(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """The narrow version of a network, and the shape of its image."""
    network = next(n for n in NETWORKS if n.name == name)
    narrow = EXCEPTIONS.get(name, Narrow())
    model = (narrow.build or network.build)()
    if not narrow.whole:
        drop_repeated_blocks(model)
        Narrower(narrow.divisor).apply(model)
    return model, (network.shape[0], narrow.size, narrow.size)
