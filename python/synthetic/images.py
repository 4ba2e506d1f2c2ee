"""Random images with the statistics of photographs, and how a network takes them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Preprocessing:
    """What a program does to images before the network: stored in the file's metadata.

    mean, std: of each RGB channel, in units of pixel/255. shorter_side: images are resized so
    that their shorter side has this many pixels. side: the height and width of the input.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    shorter_side: int
    side: int

    def metadata(self) -> dict[str, str]:
        return {
            "sluice.mean": json.dumps(list(self.mean)),
            "sluice.std": json.dumps(list(self.std)),
            "sluice.resize_shorter_side": json.dumps(self.shorter_side),
        }


CIFAR = Preprocessing((0.4915, 0.4822, 0.4465), (0.2451, 0.2427, 0.2605), 32, 32)
IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 256, 224)

# Waves per image at the lowest frequency.
PARTS = 4


def make_images(
    count: int, preprocessing: Preprocessing, random: np.random.Generator
) -> np.ndarray:
    """Normalised network inputs, float32 [count, 3, side, side].

    Gaussian noise whose amplitude falls as 1/frequency, as that of photographs does (Field, 1987,
    "Relations between the statistics of natural images and the response properties of cortical
    cells"), mostly alike in the three channels, clipped to the pixels' range. Nothing is larger
    than a part of the image, so that few images show what all have in common.
    """
    side = preprocessing.side
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency = np.maximum(frequency, PARTS / side)
    noise = random.standard_normal((2, count, 4, *frequency.shape))
    waves = np.fft.irfft2((noise[0] + 1j * noise[1]) / frequency, s=(side, side))
    waves -= waves.mean(axis=(2, 3), keepdims=True)
    waves /= waves.std()
    pixels = 0.47 + 0.25 * (0.9 * waves[:, :1] + 0.4 * waves[:, 1:])
    mean = np.array(preprocessing.mean)[:, None, None]
    std = np.array(preprocessing.std)[:, None, None]
    return ((pixels.clip(0, 1) - mean) / std).astype(np.float32)
