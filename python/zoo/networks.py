"""The networks that `make zoo` exports and runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import timm
import torchvision
from torch import Tensor, nn

import detectors
import generative


class Scores(nn.Module):
    """The scores of a segmentation network of torchvision, which gives them in a dict."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image)["out"]


@dataclass(frozen=True)
class Network:
    name: str
    source: str  # where the definition is from
    shape: tuple[int, int, int]  # of an image: channels, height, width
    build: Callable[[], nn.Module]


def of_torchvision(name: str, size: int, function: str = "", **options: object) -> Network:
    def build() -> nn.Module:
        return getattr(torchvision.models, function or name)(weights=None, **options)

    return Network(name, "torchvision", (3, size, size), build)


def segmenter(name: str, size: int, function: str) -> Network:
    def build() -> nn.Module:
        constructor = getattr(torchvision.models.segmentation, function)
        return Scores(constructor(weights=None, weights_backbone=None, num_classes=21))

    return Network(name, "torchvision", (3, size, size), build)


def of_timm(name: str, size: int, function: str = "") -> Network:
    return Network(name, "timm", (3, size, size),
                   lambda: timm.create_model(function or name, pretrained=False))


def own(name: str, shape: tuple[int, int, int], build: Callable[[], nn.Module]) -> Network:
    return Network(name, "python/zoo", shape, build)


# Images are smaller than usual where the network permits, so that all run within minutes.
NETWORKS = (
    of_torchvision("resnet18", 128),
    of_torchvision("resnet34", 128),
    of_torchvision("resnet50", 128),
    of_torchvision("wide_resnet50", 64, "wide_resnet50_2"),
    of_torchvision("resnext50", 64, "resnext50_32x4d"),
    of_torchvision("mobilenet_v2", 224),
    of_torchvision("mobilenet_v3_small", 224),
    of_torchvision("mobilenet_v3_large", 224),
    of_timm("mobilenetv4_conv_small", 224),
    of_torchvision("efficientnet_b0", 224),
    of_torchvision("efficientnet_v2_s", 128),
    of_timm("efficientnet_lite0", 224),
    of_torchvision("convnext_tiny", 128),
    of_torchvision("regnet_x_400mf", 128),
    of_torchvision("regnet_y_400mf", 128),
    of_torchvision("mnasnet", 128, "mnasnet1_0"),
    of_torchvision("shufflenet_v2", 224, "shufflenet_v2_x1_0"),
    of_timm("ghostnet", 128, "ghostnet_100"),
    of_timm("mobileone_s0", 128),
    of_timm("repvgg_a0", 128),
    of_torchvision("squeezenet", 224, "squeezenet1_1"),
    of_torchvision("densenet121", 128),
    # With the change of colours that the trained weights come with.
    of_torchvision("googlenet", 128, aux_logits=False, transform_input=True, init_weights=False),
    of_torchvision("inception_v3", 299, aux_logits=False, transform_input=True, init_weights=False),
    of_torchvision("alexnet", 224),
    of_torchvision("vgg11_bn", 224),
    of_timm("seresnet50", 64),
    of_timm("tinynet", 192, "tinynet_a"),
    segmenter("fcn_resnet50", 128, "fcn_resnet50"),
    segmenter("deeplabv3_mobilenet", 128, "deeplabv3_mobilenet_v3_large"),
    segmenter("lraspp", 128, "lraspp_mobilenet_v3_large"),
    own("unet", (3, 128, 128), generative.UNet),
    own("yolo_silu", (3, 160, 160), detectors.RawDetector),
    own("yolo_silu_boxes", (3, 160, 160), lambda: detectors.BoxDetector(160)),
    own("yolo_leaky", (3, 160, 160), detectors.TinyDetector),
    own("dcgan_generator", (100, 1, 1), generative.Generator),
    own("dcgan_discriminator", (3, 64, 64), generative.Discriminator),
    own("dncnn", (1, 64, 64), generative.DnCNN),
    own("srcnn", (1, 64, 64), generative.SRCNN),
)
