"""Training a network as it computes once it is quantised: rounding simulated, gradients as without.

What is rounded is what python/quantize rounds (docs/quantize.md): what a layer with weights reads,
to u8 with a zero point; residuals; the outputs of projecting shortcuts and of the last block. A
gated block whose shortcut is its input rounds both alike. Masks
are not, nor is anything between a convolution and the end of its layer. Weights become s8 with a
scale per output channel, and the largest magnitude 127: that of a batch norm folded into them later
changes nothing, since the scale goes with it. Gradients pass straight through, but for values out
of range (Jacob et al., "Quantization and Training of Neural Networks", CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from sluice_training.block_gates import BlockGate, own_form, torchvision_form
from sluice_training.nets import PreactBlock

# Shares of a batch's values within its range, and of the range kept from one batch to the next.
WITHIN, KEPT = 0.9999, 0.9
# Of so many of a batch's values its range is taken.
SAMPLE = 2**16
SMALLEST = torch.finfo(torch.float32).tiny


class Rounding:
    """u8 rounding of one tensor: the range of the batches seen, and values rounded by it.

    range: float32 [2], the lowest value, at most 0, and the highest; zeros before the first batch.
    """

    def __init__(self, device: torch.device) -> None:
        self.range = torch.zeros(2, device=device)
        self._group = [self]

    def share_with(self, other: Rounding) -> None:
        """Round both, and what they share with others, by the range that holds all of theirs."""
        group = [*self._group, *(r for r in other._group if r not in self._group)]
        for rounding in group:
            rounding._group = group

    def observe(self, x: torch.Tensor) -> None:
        values = x.detach().flatten().float()
        values = values[:: max(values.numel() // SAMPLE, 1)]
        beyond = max(round((1 - WITHIN) / 2 * values.numel()), 1)
        low, high = (-values).topk(beyond).values[-1], values.topk(beyond).values[-1]
        seen = torch.stack([-low.clamp(min=0), high.clamp(min=0)])
        is_first = (self.range == 0).all()
        self.range.copy_(torch.where(is_first, seen, torch.lerp(seen, self.range, KEPT)))

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """x on 256 levels, float32; 0 stays 0."""
        ranges = torch.stack([rounding.range for rounding in self._group])
        low, high = ranges[:, 0].min(), ranges[:, 1].max()
        scale = ((high - low) / 255).clamp(min=SMALLEST)
        zero_point = (-low / scale).round().clamp(0, 255).int()
        return torch.fake_quantize_per_tensor_affine(x.float(), scale, zero_point, 0, 255)


def rounded_weights(weight: torch.Tensor) -> torch.Tensor:
    """Weights [K, ...] on 255 levels per output channel, float32."""
    scale = weight.detach().abs().flatten(1).amax(1).div(127).clamp(min=SMALLEST)
    # Of float32, because whole ones are checked on the CPU, which no captured step can wait for.
    zero_points = torch.zeros_like(scale)
    return torch.fake_quantize_per_channel_affine(
        weight.float(), scale, zero_points, 0, -127, 127
    )


class Int8:
    """Simulates int8 in a model's layers while it is `on`; the model's state does not change.

    In training mode the ranges follow the batches, in evaluation mode they stay.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._roundings: dict[str, Rounding] = {}
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []
        self._layers: list[nn.Module] = []
        names = {module: name for name, module in model.named_modules()}
        self._name = lambda module, part: f"{names[module]}.{part}"
        self._blocks = [m for m in model.modules() if own_form(m) or torchvision_form(m)]
        # What reads a post-activation block's input reads what the block has rounded.
        self._served = {m for block in self._blocks for m in _readers(block)}
        self._last: nn.Module | None = None
        if self._blocks and not isinstance(self._blocks[-1], PreactBlock):
            self._last = self._blocks[-1]
        self._make()

    @property
    def on(self) -> bool:
        return bool(self._hooks or self._layers)

    def state(self) -> dict[str, list[float]]:
        """The range of each rounded tensor."""
        return {name: rounding.range.tolist() for name, rounding in self._roundings.items()}

    def restore(self, state: dict[str, list[float]]) -> None:
        """Take what `state` returned."""
        for name, values in state.items():
            self._roundings[name].range.copy_(torch.tensor(values))

    def changing(self) -> list[torch.Tensor]:
        """The tensors that a step changes."""
        return [rounding.range for rounding in self._roundings.values()]

    def switch(self, on: bool) -> None:
        """Begin or end the simulation."""
        if on == self.on:
            return
        if on:
            self._begin()
            return
        for hook in self._hooks:
            hook.remove()
        for layer in self._layers:
            del layer.forward
        self._hooks, self._layers = [], []

    def _make(self) -> None:
        for block in self._blocks:
            self._rounding(block, "input")
            for shortcut in _projections(block):
                self._rounding(shortcut, "output")
        if self._last is not None:
            self._rounding(self._last, "output")
        for module in self._model.modules():
            is_read = isinstance(module, nn.Conv2d) or (
                isinstance(module, nn.Linear) and self._last is None
            )
            if is_read and module not in self._served:
                self._rounding(module, "input")
        self._share()

    def _share(self) -> None:
        """A gated block that is its input wherever it is skipped has the numbers of its input."""
        for block, after in zip(self._blocks, [*self._blocks[1:], None]):
            if not isinstance(getattr(block, "gate", None), BlockGate) or not _keeps_shape(block):
                continue
            if after is not None:
                self._rounding(block, "input").share_with(self._rounding(after, "input"))
            elif self._last is not None:
                self._rounding(block, "input").share_with(self._rounding(block, "output"))

    def _rounding(self, module: nn.Module, part: str) -> Rounding:
        name = self._name(module, part)
        return self._roundings.setdefault(name, Rounding(self._device))

    def _begin(self) -> None:
        for block in self._blocks:
            rounding = self._rounding(block, "input")
            hook = partial(_round_input, self._apply, rounding)
            # First, because a gate of another package's block reads the input by a hook as well.
            self._hooks.append(block.register_forward_pre_hook(hook, prepend=True))
        ends = [shortcut for block in self._blocks for shortcut in _projections(block)]
        for module in [*ends, *([self._last] if self._last is not None else [])]:
            rounding = self._rounding(module, "output")
            hook = partial(_round_output, self._apply, rounding)
            self._hooks.append(module.register_forward_hook(hook))
        for module in self._model.modules():
            if isinstance(module, nn.Conv2d):
                module.forward = partial(self._convolve, module)
                self._layers.append(module)
            elif isinstance(module, nn.Linear):
                module.forward = partial(self._multiply, module)
                self._layers.append(module)

    def _apply(self, rounding: Rounding, x: torch.Tensor) -> torch.Tensor:
        if self._model.training:
            rounding.observe(x)
        return rounding.rounded(x)

    def _input(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return x if layer in self._served else self._apply(self._rounding(layer, "input"), x)

    def _convolve(self, conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        weight = rounded_weights(conv.weight)
        return nn.Conv2d._conv_forward(conv, self._input(conv, x), weight, conv.bias)

    def _multiply(self, linear: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        if self._last is not None:
            # A mean has the scale and zero point of what it is the mean of.
            x = self._rounding(self._last, "output").rounded(x)
        else:
            x = self._input(linear, x)
        return functional.linear(x, rounded_weights(linear.weight), linear.bias)


Apply = Callable[[Rounding, torch.Tensor], torch.Tensor]


def _round_input(apply: Apply, rounding: Rounding, _module, inputs):
    return (apply(rounding, inputs[0]), *inputs[1:])


def _round_output(apply: Apply, rounding: Rounding, _module, _inputs, output):
    return apply(rounding, output)


def _projections(block: nn.Module) -> list[nn.Module]:
    """A block's shortcut where it has weights."""
    shortcuts = [getattr(block, name, None) for name in ("shortcut", "downsample")]
    return [s for s in shortcuts if s is not None and _convolutions(s)]


def _keeps_shape(block: nn.Module) -> bool:
    """Whether a block's shortcut is its input."""
    form = own_form(block) or torchvision_form(block)
    outputs = block.get_submodule(form.masked[-1][0]).out_channels
    return form.stride == 1 and form.inputs == outputs and not _projections(block)


def _convolutions(module: nn.Module) -> list[nn.Module]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def _readers(block: nn.Module) -> list[nn.Module]:
    """The convolutions that read what a post-activation block is given."""
    if isinstance(block, PreactBlock):
        return [conv for shortcut in _projections(block) for conv in _convolutions(shortcut)]
    # With an LCCL its branch as well.
    readers = [conv for part in (block.conv1, *_projections(block)) for conv in _convolutions(part)]
    gate = getattr(block, "gate", None)
    return [*readers, gate.branch] if isinstance(gate, BlockGate) else readers
