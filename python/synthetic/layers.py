"""Layers of residual networks with random weights, calibrated norms and gates."""

from __future__ import annotations

import numpy as np

from block_gates import BlockGate
from builder import Builder, Value
from gates import BLOCK, Gate, GateSpec, gated


class Layers:
    """Adds layers to a Builder and collects the gates in order."""

    def __init__(self, builder: Builder, spec: GateSpec) -> None:
        self.builder = builder
        self.gates: list[Gate] = []
        self._spec = spec

    def conv(
        self, x: Value, name: str, outputs: int, size: int, stride: int = 1, gain: float = 1
    ) -> Value:
        """He-normal over the fan out, as the networks are initialised for training, times `gain`."""
        deviation = gain * (2 / (outputs * size * size)) ** 0.5
        shape = (outputs, x.channels, size, size)
        weights = self.builder.random(name).normal(0, deviation, shape)
        return self.builder.conv(x, name, weights.astype(np.float32), stride)

    def gated_conv(
        self, x: Value, name: str, outputs: int, size: int, stride: int = 1, gain: float = 1
    ) -> Value:
        y = self.conv(x, f"{name}.conv", outputs, size, stride, gain)
        if self._spec.form in ("none", BLOCK):
            return y
        y, gate = gated(self.builder, x, y, name, size, stride, self._spec)
        self.gates.append(gate)
        return y

    def block_gate(self, x: Value, name: str, stride: int, grain: int | None) -> BlockGate | None:
        """For the convolutions of a block that reads `x`; None where the stage has no gates."""
        if grain is None:
            return None
        return BlockGate(self.builder, x, name, stride, grain, self._spec.density)

    def norm(self, x: Value, name: str, gain: float = 1) -> Value:
        random = self.builder.random(name)
        scale, bias = random.uniform(0.5, 1.0, x.channels), random.normal(0, 0.2, x.channels)
        return self.builder.batch_norm(x, name, gain * scale, gain * bias)

    def relu(self, x: Value, name: str) -> Value:
        return self.builder.node("Relu", name, x)

    def norm_relu(self, x: Value, name: str) -> Value:
        return self.relu(self.norm(x, name), name)

    def padded_shortcut(self, x: Value, name: str, outputs: int, stride: int) -> Value:
        """Option A of He et al.: every second pixel, new channels zero."""
        builder = self.builder
        bounds = {
            "starts": [0, 0],
            "ends": [2**31 - 1, 2**31 - 1],
            "axes": [2, 3],
            "steps": [stride, stride],
        }
        values = [builder.weight(f"{name}.{k}", np.array(v, np.int64)) for k, v in bounds.items()]
        before = (outputs - x.channels) // 2
        pads = np.zeros(8, np.int64)
        pads[[1, 5]] = before, outputs - x.channels - before
        x = builder.node("Slice", name, x, *values)
        return builder.node("Pad", name, x, builder.weight(f"{name}.pads", pads), mode="constant")

    def global_average_pool(self, x: Value, name: str) -> Value:
        """[N, C, H, W] -> [N, C]."""
        return self.builder.node("Flatten", name, self.builder.node("GlobalAveragePool", name, x))
