"""Draws the inputs of nodes, and lets ONNX Runtime compute what a node gives: see make_cases.py."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(33)
DTYPES = {"float": np.float32, "int": np.int64, "bool": np.bool_, "uint8": np.uint8,
          "int8": np.int8}
ONNX_BYTES = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def draw(low, high):
    """An integer of low .. high."""
    return int(RANDOM.integers(low, high + 1))


def chance(share):
    return RANDOM.random() < share


def pick(*choices):
    return choices[draw(0, len(choices) - 1)]


def extents(rank, low=1, high=6):
    return [draw(low, high) for _ in range(rank)]


def tensor(shape, kind="float"):
    """An input that only a run knows."""
    return {"shape": shape, "kind": kind}


def ints(values):
    return {"shape": [len(values)], "ints": [int(v) for v in values]}


def scalar(value):
    return {"shape": [], "ints": [int(value)]}


def floats(values):
    return {"shape": [len(values)], "floats": [float(v) for v in values]}


def zeros(kind, count):
    """Zero points, of one number or a list of them."""
    return {"shape": [count] if count > 1 else [], "bytes": [0] * count, "type": kind}


def array(data):
    if "bytes" in data:
        return np.array(data["bytes"], DTYPES[data["type"]]).reshape(data["shape"])
    if "ints" in data:
        return np.array(data["ints"], np.int64).reshape(data["shape"])
    return np.array(data["floats"], np.float32).reshape(data["shape"])


def onnx_attributes(attributes):
    return {
        name: numpy_helper.from_array(array(value)) if isinstance(value, dict) else value
        for name, value in attributes.items()
    }


def run(op, inputs, attributes, opset):
    """The output that ONNX Runtime computes from zeros; constants are initialisers."""
    names, feeds, constants = [], {}, []
    for i, data in enumerate(inputs):
        names.append(f"in{i}" if data else "")
        if data and "kind" in data:
            feeds[f"in{i}"] = np.zeros(data["shape"], DTYPES[data["kind"]])
        elif data:
            constants.append(numpy_helper.from_array(array(data), f"in{i}"))
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], **onnx_attributes(attributes))],
        "case",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in feeds.items()
        ],
        [helper.make_empty_tensor_value_info("y")],
        constants,
    )
    graph.output[0].type.tensor_type.elem_type = output_type(op, inputs, attributes)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, feeds)[0]


def output_type(op, inputs, attributes):
    if op == "QuantizeLinear":
        kind = inputs[2]["type"] if len(inputs) > 2 else "uint8"
        return attributes.get("output_dtype", ONNX_BYTES[kind])
    if op.startswith("QLinear"):
        return ONNX_BYTES[inputs[7]["type"]]
    if op in ("ConvInteger", "MatMulInteger"):
        return TensorProto.INT32
    if op == "DequantizeLinear":
        return TensorProto.FLOAT
    if op in ("MaxPool", "Reshape") and inputs[0]["kind"] in ONNX_BYTES:
        return ONNX_BYTES[inputs[0]["kind"]]
    if op == "Cast":
        return attributes["to"]
    if op == "Equal":
        return TensorProto.BOOL
    if op in ("Shape", "ArgMax"):
        return TensorProto.INT64
    if op in ("Constant", "ConstantOfShape"):
        name, value = next(iter(attributes.items()), ("float", None))
        whole = "ints" in value if isinstance(value, dict) else name in ("value_int", "value_ints")
        return TensorProto.INT64 if whole else TensorProto.FLOAT
    data = inputs[1 if op == "Where" else 0]
    return TensorProto.INT64 if "ints" in data or data.get("kind") == "int" else TensorProto.FLOAT
