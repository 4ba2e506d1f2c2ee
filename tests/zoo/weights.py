"""Weights for graphs that python/zoo/strip.py has left without."""

import math

import numpy as np
from onnx import TensorProto, numpy_helper

# What a tensor is, by the operator that reads it and its place among that one's inputs.
NORM_ROLES = {1: "scale", 2: "offset", 3: "offset", 4: "scale"}
PARAMETERS = {
    "BatchNormalization": NORM_ROLES,
    "LayerNormalization": NORM_ROLES,
    "Conv": {1: "matrix", 2: "offset"},
    "ConvTranspose": {1: "matrix", 2: "offset"},
    "Gemm": {1: "matrix", 2: "offset"},
    "MatMul": {0: "matrix", 1: "matrix"},
    "PRelu": {1: "slope"},
    "Transpose": {0: "matrix"},
}


def attribute(node, name, fallback):
    found = [a for a in node.attribute if a.name == name]
    return (found[0].ints or found[0].i) if found else fallback


def fan_in(node, shape):
    """How many products each output sums."""
    if node.op_type == "Conv":
        return math.prod(shape[1:])
    if node.op_type == "ConvTranspose":
        group, strides = attribute(node, "group", 1), attribute(node, "strides", [1, 1])
        return shape[0] / group * math.prod(shape[2:]) / math.prod(strides)
    if node.op_type == "Gemm":
        return shape[1] if attribute(node, "transB", 0) else shape[0]
    return shape[1] if node.op_type == "Transpose" else shape[0]


def draw(random, node, place, shape):
    role = PARAMETERS[node.op_type][place]
    if role == "matrix":
        return random.normal(0, math.sqrt(2 / fan_in(node, shape)), shape)
    if role == "offset":
        return random.normal(0, 0.1, shape)
    return random.uniform(0.5, 1.5, shape) if role == "scale" else random.uniform(0.05, 0.4, shape)


def fill(model, seed):
    """Gives each initialiser without data the values that its readers need for activations in range."""
    random = np.random.RandomState(seed)
    readers = {name: (node, place) for node in model.graph.node
               for place, name in enumerate(node.input)}
    for tensor in model.graph.initializer:
        is_empty = not (tensor.raw_data or tensor.float_data)
        if tensor.data_type == TensorProto.FLOAT and is_empty and math.prod(tensor.dims) > 0:
            values = draw(random, *readers[tensor.name], tuple(tensor.dims)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
