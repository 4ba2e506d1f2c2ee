"""LCCL gates: y = conv(x) * g(branch(x)), with every form of the LCCL branch.

Source: Dong, Huang, Yang, Yan, "More is Less: A More Complicated Network with Less Inference
Complexity" (CVPR 2017), section 3. The tile form and the clipped gate follow the released code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from sluice_training.errors import TrainingError
from sluice_training.fused import (
    OneMapConv2d,
    convolve,
    convolve_relu,
    is_enabled,
    norm_mask_relu,
    norm_relu,
)

FORMS = ("1x1", "1x1-one", "kxk-one", "groups", "tile")
FUNCTIONS = ("clip", "relu")


@dataclass(frozen=True)
class GateSpec:
    """What the gates of a network look like.

    form: `1x1` one map per channel; `1x1-one` and `kxk-one` one map shared by all channels;
        `groups` kxk with `maps` maps, each shared by a block of channels; `tile` max-pool over
        `grid` x `grid` outputs, 1x1 with one map, nearest upsampling.
    function: `clip` is min(max(z, 0), 1), `relu` is max(z, 0).
    slope: the fixed scale of the gate's batch norm; None learns scale and bias as usual.
    after_norm: whether the multiply follows the layer's batch norm instead of preceding it. A ReLU
        between the two changes nothing: relu(y) * g = relu(y * g), since no gate is negative.
    layers: shell pattern for the names of the convolutions to gate, of those that can be.
    """

    form: str = "kxk-one"
    function: str = "clip"
    slope: float | None = 2.0
    maps: int = 1
    grid: int = 4
    after_norm: bool = False
    layers: str = "*"

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise TrainingError(f"gate form '{self.form}': use one of {', '.join(FORMS)}")
        if self.function not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise TrainingError(f"gate function '{self.function}': use one of {known}")
        if self.maps < 1 or self.grid < 1:
            raise TrainingError("gate maps and the tile's grid must be at least 1")

    def maps_for(self, channels: int) -> int:
        """Gate maps of a layer with `channels` outputs."""
        if self.form == "1x1":
            return channels
        return self.maps if self.form == "groups" else 1


class Gate(nn.Module):
    """The LCCL branch, its batch norm and the gate function: [N, C, H, W] -> [N, maps, H', W'].

    H' x W' is the output size of the convolution it gates. With a fixed slope s the batch norm
    is s * (z + threshold): a larger threshold makes more of the gate active, see `set_threshold`.
    While it is `detached`, its branch learns but passes no gradient on to the layer's input.
    """

    # How far calibration shifts thresholds, to either side.
    REACH = 2.0

    def __init__(self, conv: nn.Conv2d, spec: GateSpec) -> None:
        super().__init__()
        maps = spec.maps_for(conv.out_channels)
        if conv.out_channels % maps:
            raise TrainingError(f"{conv.out_channels} channels do not split into {maps} gate maps")
        self.spec = spec
        stride = conv.stride[0]
        if spec.form in ("kxk-one", "groups"):
            kind = OneMapConv2d if maps == 1 else nn.Conv2d
            self.branch = kind(
                conv.in_channels,
                maps,
                conv.kernel_size,
                conv.stride,
                conv.padding,
                conv.dilation,
                bias=False,
            )
        else:
            if not _centred(conv):
                raise TrainingError(
                    f"form '{spec.form}' needs a convolution padded by half its kernel with equal "
                    "strides; use 'kxk-one' or 'groups'"
                )
            step = 1 if spec.form == "tile" else stride
            self.branch = nn.Conv2d(conv.in_channels, maps, 1, step, bias=False)
        self.pool_stride = stride * spec.grid if spec.form == "tile" else 1
        self.norm = nn.BatchNorm2d(maps)
        self.detached = False
        if spec.slope is not None:
            nn.init.constant_(self.norm.weight, spec.slope)
            self.norm.requires_grad_(False)

    @property
    def threshold(self) -> float:
        if self.spec.slope is None:
            raise TrainingError("a gate with a learned batch norm has no threshold")
        return float(self.norm.bias[0]) / self.spec.slope

    def set_threshold(self, threshold: float | torch.Tensor) -> None:
        """Activate the gates where the normalised branch exceeds -threshold (standard deviations).

        A scalar tensor must be on the gate's device.
        """
        if self.spec.slope is None:
            raise TrainingError("a gate with a learned batch norm has no threshold to set")
        self.norm.bias.data.fill_(self.spec.slope * threshold)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool_stride > 1:
            x = functional.max_pool2d(x, self.pool_stride, ceil_mode=True)
        return self.gates_of(self.branch(x))

    def gates_of(self, maps: torch.Tensor) -> torch.Tensor:
        """The gates that the branch's maps stand for."""
        limit = 1.0 if self.spec.function == "clip" else math.inf
        gate = norm_relu(self.norm, maps, limit=limit)
        if self.spec.form == "tile":
            gate = functional.interpolate(gate, scale_factor=self.spec.grid, mode="nearest")
        return gate


class GatedConv2d(nn.Module):
    """A convolution whose output is multiplied by its gate: [N, C, H, W] -> [N, K, H', W'].

    `norm` is given where the multiply follows the layer's batch norm, `norm_name` is what it was
    called beside the convolution. `observer`, where set, is called with the detached gate maps of
    every batch.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        spec: GateSpec,
        norm: nn.Module | None = None,
        norm_name: str | None = None,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.gate = Gate(conv, spec)
        self.norm = norm
        self.norm_name = norm_name
        self.observer: Callable[[torch.Tensor], None] | None = None

    def parts(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The two factors: what the gate multiplies [N, K, H', W'], gates [N, maps, H', W']."""
        if self.gate.spec.form == "tile":
            y, _ = convolve(self.conv, None, x)
            gate = self.gate(x.detach() if self.gate.detached else x)
        else:
            y, maps = convolve(self.conv, self.gate.branch, x, self.gate.detached)
            gate = self.gate.gates_of(maps)
        if self.observer is not None:
            self.observer(gate.detach())
        if self.norm is not None:
            y = self.norm(y)
        if gate.shape[2:] != y.shape[2:]:
            gate = gate[:, :, : y.shape[2], : y.shape[3]]
        return y, gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, gate = self.parts(x)
        if gate.shape[1] in (1, y.shape[1]):
            return y * gate
        blocks = y.reshape(y.shape[0], gate.shape[1], -1, y.shape[2], y.shape[3])
        return (blocks * gate.unsqueeze(2)).reshape(y.shape)


def _centred(conv: nn.Conv2d) -> bool:
    """Whether output (i, j) lies over input (i, j) times one stride, so that 1x1 gates line up."""
    if len(set(conv.stride)) > 1:
        return False
    if isinstance(conv.padding, str):
        return conv.padding == "same" or conv.kernel_size == (1, 1)
    reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size)]
    return [2 * p for p in conv.padding] == reach


def conv_norm_relu(
    conv: nn.Module,
    norm: nn.Module,
    x: torch.Tensor,
    residual: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """relu(norm(conv(x)) + residual), gated where `conv` is; fused where fused.enable allows.

    mask: that of a gate per block, [N, 1, H', W'], by which norm(conv(x)) is multiplied.
    """
    if mask is not None:
        y = convolve(conv, None, x)[0] if type(conv) is nn.Conv2d else conv(x)
        return norm_mask_relu(norm, y, mask, residual)
    # The factors are taken apart only where that saves time: a call keeps hooks and node names.
    if isinstance(conv, GatedConv2d) and conv.training and is_enabled():
        channels = conv.conv.out_channels
        if conv.gate.spec.maps_for(channels) in (1, channels):
            return norm_relu(norm, *conv.parts(x), residual)
    if type(conv) is not nn.Conv2d:
        return norm_relu(norm, conv(x), None, residual)
    if isinstance(norm, nn.Identity):
        return convolve_relu(conv, x, residual)
    return norm_relu(norm, convolve(conv, None, x)[0], None, residual)


def gated_layers(model: nn.Module) -> Iterator[tuple[str, GatedConv2d]]:
    """The gated convolutions of a model with their names, in definition order."""
    for name, module in model.named_modules():
        if isinstance(module, GatedConv2d):
            yield name, module
