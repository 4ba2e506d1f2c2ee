"""Quantised networks whose values are clamped to the ranges that the file states, and not rounded."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def without_roundings(model):
    """The model with a Clip in place of each QuantizeLinear of a value that the network computes. The
    DequantizeLinear after it then has nothing to do; those of weights and biases stay."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    clamped, nodes, added = set(), [], []
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            x, scale, zero = node.input
            limits = np.iinfo(constants[zero].dtype)
            names = []
            for limit in (limits.min, limits.max):
                value = np.float32(limit - int(constants[zero])) * constants[scale]
                names.append(f"{node.output[0]}.{limit}")
                added.append(numpy_helper.from_array(value.astype(np.float32), names[-1]))
            nodes.append(helper.make_node("Clip", [x, *names], node.output, node.name))
            clamped.add(node.output[0])
        elif node.op_type == "DequantizeLinear" and node.input[0] in clamped:
            nodes.append(helper.make_node("Identity", node.input[:1], node.output, node.name))
        else:
            nodes.append(node)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:], changed.graph.value_info[:]
    changed.graph.node.extend(nodes)
    changed.graph.initializer.extend(added)
    return changed

