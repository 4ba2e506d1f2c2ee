"""What a network's gates let through on images that calibration has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from builder import open_session
from images import make_images
from nets import Network

FRESH_IMAGES = 32


@dataclass(frozen=True)
class Measurement:
    """densities: the share of active gates of each gated layer or block. macs, executed: per image, without
    gates and with gates and LCCL branches. An active output costs its taps, borders included.
    """

    densities: np.ndarray
    macs: int
    executed: float

    @property
    def density(self) -> float:
        return float(self.densities.mean()) if self.densities.size else 1.0


def measure(network: Network, seed: int, count: int = FRESH_IMAGES) -> Measurement:
    """Runs ONNX Runtime on `count` images that another seed than the calibration's draws."""
    random = np.random.default_rng([seed, 2])
    images = make_images(count, network.preprocessing, random)
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    names = [gate.values for gate in network.gates]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    session = open_session(model)
    active = np.zeros(len(names))
    for image in images:
        maps = session.run(names, {"input": image[None]}) if names else []
        active += [float((gate > 0).mean()) for gate in maps]
    densities = active / count
    branches = sum(network.macs[gate.branch] for gate in network.gates)
    macs = sum(network.macs.values()) - branches
    skipped = sum(
        network.macs[conv] * (1 - density)
        for gate, density in zip(network.gates, densities)
        for conv in gate.convs
    )
    return Measurement(densities, macs, macs - skipped + branches)
