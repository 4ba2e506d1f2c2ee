"""LCCL branches that start by predicting what their positions are worth to the trained network.

To first order, zeroing the convolution's output y_p at position p changes the scores s by
J_p y_p, with J_p = ds/dy_p. With a random vector r of unit variance, (r . J_p y_p)^2 has the
expectation ||J_p y_p||^2, so that one backward pass of r . s through the warm-started network tells
it for all positions at once. Each branch is then the least-squares fit, linear in the same inputs
that it will see, to the absolute values.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sluice_training.batches import Normalizer, plain_batches
from sluice_training.data import ImageSet
from sluice_training.errors import TrainingError
from sluice_training.lccl import Gate, GatedConv2d, gated_layers

ALL_ACTIVE = 1e3
RIDGE = 1e-3


class _Fit:
    """The normal equations of one gate: inputs [values, C * k * k + 1], worth [values, maps]."""

    def __init__(self, layer: GatedConv2d) -> None:
        gate = layer.gate
        size = gate.branch.weight[0].numel() + 1
        self._gate = gate
        self._products = torch.zeros(size, size, dtype=torch.float64)
        self._worths = torch.zeros(size, gate.norm.num_features, dtype=torch.float64)
        self._inputs = self._output = torch.empty(0)
        multiplied = layer.conv if layer.norm is None else layer.norm
        self._hooks = [
            layer.conv.register_forward_pre_hook(self._keep_inputs),
            multiplied.register_forward_hook(self._keep_output),
        ]

    def _keep_inputs(self, _module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self._inputs = inputs[0].detach()

    def _keep_output(self, _module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        output.retain_grad()
        self._output = output

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def add_batch(self) -> None:
        """Take in the batch whose backward pass is done."""
        worth = gate_worth(self._gate, (self._output * self._output.grad).detach())
        rows = branch_inputs(self._gate, self._inputs).double()
        rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1)
        self._products += (rows.T @ rows).cpu()
        self._worths += (rows.T @ worth.double()).cpu()
        self._inputs = self._output = torch.empty(0)

    def solve(self) -> None:
        """Write the fit into the branch, each map scaled to weights of unit norm."""
        mean = self._products.diagonal().mean()
        ridge = RIDGE * mean * torch.eye(len(self._products), dtype=torch.float64)
        weights = torch.linalg.solve(self._products + ridge, self._worths)[:-1].T
        weights /= weights.norm(dim=1, keepdim=True).clamp(min=1e-12)
        branch = self._gate.branch.weight
        branch.data.copy_(weights.reshape(branch.shape))


def branch_inputs(gate: Gate, x: torch.Tensor) -> torch.Tensor:
    """What a branch's weights are multiplied by: [N, C, H, W] -> [N * H' * W', C * k * k]."""
    branch = gate.branch
    if gate.pool_stride > 1:
        x = functional.max_pool2d(x, gate.pool_stride, ceil_mode=True)
    columns = functional.unfold(
        x, branch.kernel_size, branch.dilation, branch.padding, branch.stride
    )
    return columns.transpose(1, 2).reshape(-1, columns.shape[1])


def gate_worth(gate: Gate, change: torch.Tensor) -> torch.Tensor:
    """Absolute changes that zeroing each gate makes: [N, K, H', W'] -> [N * h * w, maps]."""
    maps = gate.norm.num_features
    count, channels, height, width = change.shape
    summed = change.reshape(count, maps, channels // maps, height, width).sum(2)
    if gate.spec.form == "tile":
        grid = gate.spec.grid
        summed = functional.avg_pool2d(summed, grid, ceil_mode=True, divisor_override=1)
    return summed.abs().permute(0, 2, 3, 1).reshape(-1, maps)


def fit_gates(
    model: nn.Module,
    data: ImageSet,
    normalizer: Normalizer,
    seed: int = 1,
    batch_size: int = 100,
) -> None:
    """Start all LCCL branches of a warm-started model from the worth of their positions on `data`.

    All gates are held active meanwhile, so that the network is the dense one. `seed` draws the
    random vectors. Raises TrainingError for a model without gates, or with learned batch norms.
    """
    layers = [layer for _, layer in gated_layers(model)]
    if not layers or any(layer.gate.spec.slope is None for layer in layers):
        raise TrainingError("only gates with a fixed batch norm can be fitted")
    generator = torch.Generator().manual_seed(seed)
    device = next(model.parameters()).device
    model.eval()
    for layer in layers:
        layer.gate.set_threshold(ALL_ACTIVE)
    fits = [_Fit(layer) for layer in layers]
    try:
        for images, _ in plain_batches(data, normalizer, batch_size, device):
            scores = model(images)
            directions = torch.randn(scores.shape, generator=generator).to(device)
            (scores * directions).sum().backward()
            for fit in fits:
                fit.add_batch()
            model.zero_grad()
    finally:
        for fit in fits:
            fit.remove()
    for fit in fits:
        fit.solve()
