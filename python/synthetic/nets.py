"""Residual networks with LCCL gates and random weights.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2016) and, for the
placement `pre`, "Identity Mappings in Deep Residual Networks" (2016). Both 3x3 convolutions of a
basic block carry a gate, in bottlenecks the 3x3 and the last 1x1; stem and shortcuts never. A gate
per block is of all convolutions of its block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from builder import Builder, Value
from errors import SyntheticError
from gates import Gate, GateSpec
from images import CIFAR, IMAGENET, Preprocessing, make_images
from layers import Layers

PLACEMENTS = ("post", "pre")
# The blocks' gains add up to this. With more, random gated blocks multiply rounding errors until no
# two runtimes agree on the scores. A block that alone fills the channels which a padded shortcut adds
# has a gain of 1.
BLOCK_GAIN = 2.0
# Enough positions in the last stage, 8x8 or 7x7, for a quantile that holds on other images.
CALIBRATION_IMAGES = {"cifar": 128, "imagenet": 24}


@dataclass(frozen=True)
class Architecture:
    """blocks, widths: of each stage; a bottleneck gives four times the width."""

    style: str
    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck: bool
    preprocessing: Preprocessing
    classes: int


def _cifar(depth: int) -> Architecture:
    return Architecture("cifar", ((depth - 2) // 6,) * 3, (16, 32, 64), False, CIFAR, 10)


def _imagenet(*blocks: int, bottleneck: bool = False) -> Architecture:
    return Architecture("imagenet", blocks, (64, 128, 256, 512), bottleneck, IMAGENET, 1000)


ARCHITECTURES = {
    "resnet20": _cifar(20),
    "resnet32": _cifar(32),
    "resnet56": _cifar(56),
    "resnet110": _cifar(110),
    "resnet18": _imagenet(2, 2, 2, 2),
    "resnet34": _imagenet(3, 4, 6, 3),
    "resnet50": _imagenet(3, 4, 6, 3, bottleneck=True),
}


@dataclass(frozen=True)
class Block:
    """gain: of what it adds to its shortcut."""

    name: str
    width: int
    stride: int
    gain: float
    grain: int | None


@dataclass(frozen=True)
class Network:
    """A finished model, its layers' MACs per image and its gates in order."""

    model: onnx.ModelProto
    macs: dict[str, int]
    gates: list[Gate]
    preprocessing: Preprocessing


def make_network(name: str, spec: GateSpec, placement: str = "post", seed: int = 0) -> Network:
    """A network by name. The seed gives the weights and the calibration images.

    placement: `post` has norm and ReLU after each convolution and a ReLU after the sum; `pre` has
    them before, so that nothing follows the sum. The gate multiplies the bare convolution in both,
    but for gates per block in `post`, which multiply what the norm and ReLU give.
    """
    architecture = ARCHITECTURES.get(name)
    if architecture is None:
        known = ", ".join(ARCHITECTURES)
        raise SyntheticError(f"network '{name}' is unknown; use one of {known}")
    if placement not in PLACEMENTS:
        raise SyntheticError(f"placement '{placement}' is unknown; use post or pre")
    if seed < 0:
        raise SyntheticError(f"seed {seed} is negative; give 0 or more")
    count = CALIBRATION_IMAGES[architecture.style]
    images = make_images(count, architecture.preprocessing, np.random.default_rng([seed, 1]))
    builder = Builder(images, seed)
    layers = Layers(builder, spec)
    x = _stem(layers, builder.input, architecture, placement)
    index = 0
    stages = len(architecture.blocks)
    for stage, (blocks, width) in enumerate(zip(architecture.blocks, architecture.widths)):
        grain = spec.grain_of(stage, stages)
        for first in (True, *[False] * (blocks - 1)):
            stride = 2 if first and stage > 0 else 1
            fills = architecture.style == "cifar" and stride > 1
            gain = 1 if fills else BLOCK_GAIN / sum(architecture.blocks)
            block = Block(f"blocks.{index}", width, stride, gain, grain)
            x = _add_block(layers, x, block, architecture, placement)
            index += 1
    if placement == "pre":
        x = layers.norm_relu(x, "norm")
    scores = builder.linear(layers.global_average_pool(x, "pool"), "linear", architecture.classes)
    model = builder.finish(scores)
    helper.set_model_props(
        model, {"sluice.weights": "synthetic", **architecture.preprocessing.metadata()}
    )
    onnx.checker.check_model(model, full_check=True)
    return Network(model, builder.macs, layers.gates, architecture.preprocessing)


def _stem(layers: Layers, x: Value, architecture: Architecture, placement: str) -> Value:
    is_cifar = architecture.style == "cifar"
    outputs, size, stride = (architecture.widths[0], 3, 1) if is_cifar else (64, 7, 2)
    x = layers.conv(x, "stem.conv", outputs, size, stride)
    if placement == "post":
        x = layers.norm_relu(x, "stem.bn")
    if is_cifar:
        return x
    return layers.builder.node(
        "MaxPool", "stem.pool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
    )


def _add_block(
    layers: Layers, x: Value, block: Block, architecture: Architecture, placement: str
) -> Value:
    """One residual block, [N, C, H, W] -> [N, K, H / stride, W / stride]."""
    name, width, stride = block.name, block.width, block.stride
    steps = [(width, 3, stride, layers.gated_conv), (width, 3, 1, layers.gated_conv)]
    if architecture.bottleneck:
        steps = [(width, 1, 1, layers.conv), steps[0], (4 * width, 1, 1, layers.gated_conv)]
    y = first = layers.norm_relu(x, f"{name}.bn1") if placement == "pre" else x
    gate = layers.block_gate(first, name, stride, block.grain)
    for index, (outputs, size, step, convolve) in enumerate(steps, 1):
        is_last = index == len(steps)
        gain = block.gain if is_last else 1
        layer, norm = f"{name}.conv{index}", f"{name}.bn{index}"
        conv = layer if convolve == layers.conv else f"{layer}.conv"
        if placement == "pre":
            y = layers.norm_relu(y, norm) if index > 1 else y
            y = convolve(y, layer, outputs, size, step, gain)
        else:
            y = convolve(y, layer, outputs, size, step)
            y = layers.norm(y, norm, gain)
            y = y if is_last else layers.relu(y, norm)
        y = y if gate is None else gate.times(y, conv)
    if gate is not None:
        layers.gates.append(gate.finish())
    shortcut = x
    if stride > 1 or x.channels != y.channels:
        if architecture.style == "cifar":
            shortcut = layers.padded_shortcut(x, f"{name}.shortcut", y.channels, stride)
        else:
            shortcut = layers.conv(first, f"{name}.shortcut", y.channels, 1, stride)
            if placement == "post":
                shortcut = layers.norm(shortcut, f"{name}.shortcut.bn")
    y = layers.builder.node("Add", name, y, shortcut)
    return layers.relu(y, name) if placement == "post" else y
