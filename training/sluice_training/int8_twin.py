"""Reading int8 twins, the files of python/quantize, back into networks of this package.

Of dense networks, and of those with gates per block.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import torch
from torch import nn

from sluice_training.block_gates import SLOPE

QUANTISED = "_quantized"
BRANCH = ".gate.branch"
# With the eps of the norms a deviation of 1.
FOLDED_VARIANCE = torch.tensor(1.0) - nn.BatchNorm2d(1).eps


def is_int8_twin(proto: onnx.ModelProto) -> bool:
    return any(tensor.name.endswith(QUANTISED) for tensor in proto.graph.initializer)


def folded_state(proto: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The dequantised weights of a twin by their names in the network, float32.

    The twin's convolutions hold their batch norms, and each keeps its norm's bias by name. The norms
    returned do nothing but add it, in evaluation mode. The twin's branches hold the slope of their
    gates, which is taken out of them.
    """
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    values: dict[str, tuple[str, torch.Tensor]] = {}
    for node in proto.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in stored:
            value = torch.from_numpy(_dequantised(node, [stored[i] for i in node.input]))
            values[node.output[0]] = (node.input[0].removesuffix(QUANTISED), value)
    found: dict[str, torch.Tensor] = {}
    for node in proto.graph.node:
        parameters = [values[name] for name in node.input if name in values]
        if node.op_type in ("Conv", "Gemm") and len(parameters) == 2:
            found |= _layer(*parameters)
    return found


def _layer(weight: tuple[str, torch.Tensor], bias: tuple[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the network has of a layer, from the names and values that the twin has."""
    (name, taps), (source, offsets) = weight, bias
    layer, norm = name.removesuffix(".weight"), source.removesuffix(".bias")
    if layer.endswith(BRANCH):
        return {name: taps / SLOPE, f"{layer}.bias": offsets / SLOPE}
    found = {name: taps, source: offsets}
    if norm != layer:
        found |= {f"{norm}.{leaf}": value for leaf, value in _no_norm(len(offsets)).items()}
    return found


def _dequantised(node: onnx.NodeProto, inputs: list[np.ndarray]) -> np.ndarray:
    """(value - zero point) * scale, the last two along the node's axis, float32."""
    values, parameters = inputs[0], inputs[1:]
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    along = [p.reshape(shape) if p.ndim else p for p in parameters]
    zero = along[1].astype(np.float32) if len(along) > 1 else np.float32(0)
    return ((values.astype(np.float32) - zero) * along[0]).astype(np.float32)


def _no_norm(channels: int) -> dict[str, torch.Tensor]:
    """Scale and statistics of a batch norm that adds its bias alone."""
    ones = torch.ones(channels)
    return {"weight": ones, "running_mean": 0 * ones, "running_var": FOLDED_VARIANCE * ones}


def is_folded(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a network's batch norms only add their biases, as a twin's do."""
    variances = [value for name, value in state.items() if name.endswith("running_var")]
    return bool(variances) and all(bool((value == FOLDED_VARIANCE).all()) for value in variances)


@torch.no_grad()
def measure_norms(model: nn.Module, images: torch.Tensor) -> None:
    """Give the batch norms that only add a bias the statistics of `images` [N, C, H, W], in place.

    In evaluation mode the scores stay what they were; in training mode they become close to them.
    """
    def measure(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)

    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    try:
        model.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
