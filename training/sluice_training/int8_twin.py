"""Reading int8 twins, the files of python/quantize, back into dense networks of this package."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import nn

QUANTISED = "_quantized"


def is_int8_twin(proto: onnx.ModelProto) -> bool:
    return any(tensor.name.endswith(QUANTISED) for tensor in proto.graph.initializer)


def folded_state(proto: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The dequantised weights of a dense network's twin by their names in the network, float32.

    The twin's convolutions hold their batch norms, and each keeps its norm's bias by name. The norms
    returned do nothing but add it, in evaluation mode.
    """
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    found: dict[str, torch.Tensor] = {}
    for node in proto.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in stored:
            name = node.input[0].removesuffix(QUANTISED)
            found[name] = torch.from_numpy(_dequantised(node, [stored[i] for i in node.input]))
    for name in [name for name in found if name.endswith(".bias")]:
        norm = name.removesuffix(".bias")
        if f"{norm}.weight" not in found:
            found |= {f"{norm}.{leaf}": value for leaf, value in _no_norm(len(found[name])).items()}
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
    eps = nn.BatchNorm2d(channels).eps
    return {"weight": ones, "running_mean": 0 * ones, "running_var": ones - eps}


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
