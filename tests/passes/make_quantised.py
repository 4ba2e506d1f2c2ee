"""Writes small quantised networks as ONNX files, each also as batch_NAME.onnx for any batch, and
cases.json with an input and ONNX Runtime's answer for each.

Usage: make_quantised.py OUTPUT_FOLDER
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                      quantize_static)

from float_nets import (IMAGE, RANDOM, block, gated, gated_depthwise, mixed, mobile, normalised,
                        resnet, tiles)


class Reader(CalibrationDataReader):
    def __init__(self, shape):
        self.images = iter([RANDOM.normal(0, 1, shape).astype(np.float32) for _ in range(8)])

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"x": image}


def by_onnx_runtime(model, act=QuantType.QUInt8, per_channel=True, symmetric=False):
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(model, f"{folder}/float.onnx")
        shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        quantize_static(f"{folder}/float.onnx", f"{folder}/int8.onnx", Reader(shape),
                        QuantFormat.QDQ, activation_type=act, weight_type=QuantType.QInt8,
                        per_channel=per_channel,
                        extra_options={"ActivationSymmetric": symmetric})
        return onnx.load(f"{folder}/int8.onnx")


def ranges(model):
    """The least and the largest number of each value of a float network."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    names = [n.output[0] for n in model.graph.node if n.output[0] != "y"]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    found = {}
    for _ in range(8):
        x = RANDOM.normal(0, 1, shape).astype(np.float32)
        for name, array in zip(["x", *names], [x, *session.run(names, {"x": x})]):
            low, high = found.get(name, (0.0, 0.0))
            found[name] = (min(low, float(array.min())), max(high, float(array.max())))
    return found


def at_inputs(model):
    """QuantizeLinear and DequantizeLinear before convolutions, Gemm and one side of Add alone, as
    NNCF and PyTorch's exporters put them, with float biases."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, bounds, done = result.graph, ranges(model), {}
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    nodes = []

    def constant(name, array):
        graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def rounded(x):
        if x not in done:
            low, high = bounds[x]
            scale = np.float32((high - low) / 255)
            numbers = [constant(f"{x}_scale", scale),
                       constant(f"{x}_zero", np.uint8(round(-low / float(scale))))]
            nodes.append(helper.make_node("QuantizeLinear", [x, *numbers], [f"{x}_q"], f"{x}_q"))
            nodes.append(helper.make_node("DequantizeLinear", [f"{x}_q", *numbers], [f"{x}_dq"],
                                          f"{x}_dq"))
            done[x] = f"{x}_dq"
        return done[x]

    def weights(w):
        array = constants[w]
        scale = np.abs(array).reshape(len(array), -1).max(1) / np.float32(127)
        wide = scale.reshape([-1] + [1] * (array.ndim - 1))
        names = [constant(f"{w}_q", np.round(array / wide).astype(np.int8)),
                 constant(f"{w}_scale", scale),
                 constant(f"{w}_zero", np.zeros(len(array), np.int8))]
        nodes.append(helper.make_node("DequantizeLinear", names, [f"{w}_dq"], f"{w}_dq", axis=0))
        graph.initializer.remove(next(t for t in graph.initializer if t.name == w))
        return f"{w}_dq"

    writers = {n.output[0]: n for n in graph.node}
    for node in list(graph.node):
        if node.op_type in ("Conv", "Gemm"):
            node.input[0] = rounded(node.input[0])
            node.input[1] = weights(node.input[1])
        elif node.op_type == "Add":
            side = 1 if writers[node.input[0]].op_type in ("Conv", "Mul") else 0
            node.input[side] = rounded(node.input[side])
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return result


def of_nodes(nodes, weights, kind, shape=IMAGE, y_kind=None, opset=17):
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", y_kind or kind, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


# The weights of QLinear operators stay within 64: without VNNI ONNX Runtime adds two products of
# bytes in 16 bits, which saturate beyond.
def q_linear(signed):
    """QLinearConv, a MaxPool of bytes and QLinearConv, from bytes to bytes."""
    byte = np.int8 if signed else np.uint8
    weights = {
        "xs": np.float32(0.04), "xz": byte(-3 if signed else 120),
        "w": RANDOM.integers(-64, 65, (5, 3, 3, 3)).astype(np.int8),
        "ws": RANDOM.uniform(0.001, 0.01, 5).astype(np.float32), "wz": np.zeros(5, np.int8),
        "b": RANDOM.integers(-9000, 9000, 5).astype(np.int32),
        "hs": np.float32(0.06), "hz": byte(5 if signed else 99),
        "v": RANDOM.integers(-64, 65, (4, 5, 1, 1)).astype(np.int8),
        "vs": np.float32(0.005), "vz": np.int8(0), "ys": np.float32(0.09), "yz": byte(17)}
    nodes = [
        helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "hs", "hz", "b"], ["h"],
                         "first", pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["h"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QLinearConv", ["p", "hs", "hz", "v", "vs", "vz", "ys", "yz"], ["y"],
                         "second")]
    return of_nodes(nodes, weights, TensorProto.INT8 if signed else TensorProto.UINT8)


def q_linear_mat_mul():
    weights = {"xs": np.float32(0.04), "xz": np.uint8(120),
               "w": RANDOM.integers(-64, 65, (7, 4)).astype(np.int8),
               "ws": RANDOM.uniform(0.001, 0.01, 4).astype(np.float32), "wz": np.zeros(4, np.int8),
               "ys": np.float32(0.1), "yz": np.uint8(100)}
    node = helper.make_node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"],
                            "product")
    return of_nodes([node], weights, TensorProto.UINT8, (2, 7))


def layer(op="Conv", quantizes_input=True, shape=IMAGE, axis=0, bias=None, window=None, **weights):
    """A convolution or Gemm between roundings, of weights as they are given."""
    weights = {"ys": np.float32(0.1), "yz": np.uint8(128), **weights}
    nodes, x, w = [], "x", "w"
    if quantizes_input:
        weights.update(s=np.float32(0.03), z=np.uint8(100))
        nodes += [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
                  helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], "d")]
        x = "d"
    if "ws" in weights:
        names = [name for name in ("w", "ws", "wz") if name in weights]
        nodes.append(helper.make_node("DequantizeLinear", names, ["wd"], "wd", axis=axis))
        w = "wd"
    inputs = [x, w]
    if bias is not None:
        weights["b"] = bias
        inputs.append("b")
    nodes += [helper.make_node(op, inputs, ["c"], "layer", **(window or {})),
              helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["cq"], "cq"),
              helper.make_node("DequantizeLinear", ["cq", "ys", "yz"], ["y"], "cd")]
    return of_nodes(nodes, weights, TensorProto.FLOAT, shape)


def bytes_of(*shape):
    return RANDOM.integers(-127, 128, shape).astype(np.int8)


def layers_in_float():
    w, ws = bytes_of(4, 3, 3, 3), RANDOM.uniform(0.001, 0.01, 4).astype(np.float32)
    positive = RANDOM.integers(0, 127, (4, 3, 3, 3))
    for kind in (np.int8, np.uint8):
        yield ("zeros_s8", "zeros_u8")[kind == np.uint8], layer(
            w=positive.astype(kind), ws=np.float32(0.01), wz=kind(60))
    yield "unquantised_input", layer(quantizes_input=False, w=w, ws=ws)
    yield "float_weights", layer(w=RANDOM.normal(0, 0.2, (4, 3, 3, 3)).astype(np.float32))
    yield "large_bias", layer(w=w, ws=ws, bias=np.float32([1, 2e6, 3, 4]))
    yield "large_sums", layer("Gemm", shape=(1, 17000), w=np.full((17000, 2), 127, np.int8),
                              ws=np.float32(1e-4))
    yield "input_axis", layer(w=w, ws=ws[:3], axis=1)


def sparse_layers_in_float():
    """Of windows that no int8 kernel takes."""
    scales = RANDOM.uniform(0.001, 0.01, 4).astype(np.float32)
    yield "grouped", layer(shape=(1, 4, 9, 8), w=bytes_of(4, 2, 3, 3), ws=scales,
                           window={"group": 2})
    yield "dilated", layer(w=bytes_of(4, 3, 3, 3), ws=scales, window={"dilations": [2, 1]})


def conv_integer():
    weights = {"s": np.float32(0.02), "z": np.uint8(128),
               "w": RANDOM.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
               "m": np.float32(0.0004)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
             helper.make_node("ConvInteger", ["q", "w", "z"], ["i"], "conv"),
             helper.make_node("Cast", ["i"], ["f"], "cast", to=TensorProto.FLOAT),
             helper.make_node("Mul", ["f", "m"], ["y"], "mul")]
    return of_nodes(nodes, weights, TensorProto.FLOAT)


def other_numbers():
    """Read by other numbers than it was written with, and as the integers it is."""
    weights = {"s": np.float32(0.03), "z": np.uint8(100), "t": np.float32(0.5), "v": np.uint8(7)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
             helper.make_node("DequantizeLinear", ["q", "t", "v"], ["d"], "d"),
             helper.make_node("Cast", ["q"], ["f"], "cast", to=TensorProto.FLOAT),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["e"], "e"),
             helper.make_node("Concat", ["d", "f", "e"], ["y"], "concat", axis=1)]
    return of_nodes(nodes, weights, TensorProto.FLOAT)


def copied_bytes(kind):
    """Bytes that are copied and clipped before anything says what they stand for."""
    weights = {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]), "border": kind(7), "low": kind(3),
               "high": kind(90), "to": np.array([0, 6, -1]), "s": np.float32(0.25), "z": kind(17),
               "from": np.array([1]), "till": np.array([-1]), "axis": np.array([2])}
    node = helper.make_node
    nodes = [node("Transpose", ["x"], ["t"], "turn", perm=[0, 3, 1, 2]),
             node("Pad", ["t", "pads", "border"], ["p"], "pad"),
             node("MaxPool", ["p"], ["m"], "pool", kernel_shape=[2, 2], pads=[0, 1, 0, 0]),
             node("Clip", ["m", "low", "high"], ["c"], "clip"),
             node("Concat", ["m", "c"], ["j"], "join", axis=1),
             node("Slice", ["j", "from", "till", "axis"], ["k"], "slice"),
             node("Reshape", ["k", "to"], ["r"], "reshape"),
             node("DequantizeLinear", ["r", "s", "z"], ["y"], "d")]
    byte = TensorProto.INT8 if kind == np.int8 else TensorProto.UINT8
    return of_nodes(nodes, weights, byte, (1, 9, 8, 3), TensorProto.FLOAT)


def refused():
    """Files that ONNX Runtime takes, and the passes do not."""
    scales = {"s": np.float32([0.1, 0.2, 0.3]), "z": np.zeros(3, np.uint8)}
    yield "scales", of_nodes(
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
         helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], "d")], scales,
        TensorProto.FLOAT)
    numbers = {"s": np.float32(0.1), "z": np.uint8(3), "t": np.float32(0.2)}
    yield "join", of_nodes(
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
         helper.make_node("QuantizeLinear", ["x", "t", "z"], ["r"], "r"),
         helper.make_node("Concat", ["q", "r"], ["c"], "join", axis=1),
         helper.make_node("DequantizeLinear", ["c", "s", "z"], ["y"], "d")], numbers,
        TensorProto.FLOAT)
    yield "int32", of_nodes(
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "q"),
         helper.make_node("ConvInteger", ["q", "w", "z"], ["y"], "conv")],
        {**numbers, "w": bytes_of(4, 3, 3, 3)}, TensorProto.FLOAT, y_kind=TensorProto.INT32)


def opset21():
    """The zero point left out, its type named, weights quantised when the model is loaded."""
    weights = {"s": np.float32(0.02), "w": RANDOM.normal(0, 1, (4, 3, 3, 3)).astype(np.float32),
               "ws": np.float32([0.03, 0.02, 0.01, 0.04]), "ys": np.float32(0.1)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "s"], ["q"], "q",
                              output_dtype=TensorProto.INT8),
             helper.make_node("DequantizeLinear", ["q", "s"], ["d"], "d"),
             helper.make_node("QuantizeLinear", ["w", "ws"], ["wq"], "wq", axis=0,
                              output_dtype=TensorProto.INT8),
             helper.make_node("DequantizeLinear", ["wq", "ws"], ["wd"], "wd", axis=0),
             helper.make_node("Conv", ["d", "wd"], ["c"], "conv"),
             helper.make_node("Relu", ["c"], ["r"], "relu"),
             helper.make_node("QuantizeLinear", ["r", "ys"], ["y"], "yq")]
    return of_nodes(nodes, weights, TensorProto.FLOAT, y_kind=TensorProto.UINT8, opset=21)


def models():
    signed = {"act": QuantType.QInt8}
    for name, model in (("resnet", resnet()), ("position", gated(1)), ("group", gated(2)),
                        ("element", gated(8)), ("normalised", normalised()), ("tiles", tiles()),
                        ("mixed", mixed())):
        yield f"ort_u8_{name}", by_onnx_runtime(model)
        yield f"ort_s8_{name}", by_onnx_runtime(model, **signed)
        yield f"ort_s8_symmetric_{name}", by_onnx_runtime(model, symmetric=True, **signed)
        yield f"inputs_{name}", at_inputs(model)
    yield "ort_u8_tensor_resnet", by_onnx_runtime(resnet(), per_channel=False)
    yield "q_linear_u8", q_linear(False)
    yield "q_linear_s8", q_linear(True)
    yield "q_linear_mat_mul", q_linear_mat_mul()
    yield from layers_in_float()
    yield "conv_integer", conv_integer()
    yield "other_numbers", other_numbers()
    yield "opset21", opset21()
    yield "copied_u8", copied_bytes(np.uint8)
    yield "copied_s8", copied_bytes(np.int8)
    for name, model in (("block", block(1, (3, 3))), ("block_map", block(0, (3, 3))),
                        ("bottleneck", block(1, (1, 3, 1))),
                        ("bottleneck_squares", block(4, (1, 3, 1), 2)),
                        ("bottleneck_map", block(0, (1, 3, 1), 2))):
        yield f"ort_u8_{name}", by_onnx_runtime(model)
        yield f"ort_s8_{name}", by_onnx_runtime(model, **signed)
        yield f"inputs_{name}", at_inputs(model)
    for name, model in (("mobile", mobile(6.0)), ("mobile_low", mobile(1.5)),
                        ("depthwise_position", gated_depthwise(1)),
                        ("depthwise_element", gated_depthwise(12))):
        yield f"ort_u8_{name}", by_onnx_runtime(model)
        yield f"ort_s8_symmetric_{name}", by_onnx_runtime(model, symmetric=True, **signed)
        yield f"inputs_{name}", at_inputs(model)
    yield from sparse_layers_in_float()


def answer(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           ["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def image_of(model):
    info = model.graph.input[0].type.tensor_type
    shape = [d.dim_value for d in info.shape.dim]
    if info.elem_type == TensorProto.FLOAT:
        return RANDOM.normal(0, 1, shape).astype(np.float32)
    low, kind = (-128, np.int8) if info.elem_type == TensorProto.INT8 else (0, np.uint8)
    return RANDOM.integers(low, low + 256, shape).astype(kind)


def of_any_batch(model):
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.value_info[:]
    result.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    result.graph.output[0].type.tensor_type.ClearField("shape")
    return result


def main():
    logging.disable()
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for name, model in models():
        x = image_of(model)
        y = answer(model, x)
        onnx.save(model, folder / f"{name}.onnx")
        onnx.save(of_any_batch(model), folder / f"batch_{name}.onnx")
        cases.append({"name": name, "x": [float(v) for v in x.ravel()], "x_shape": x.shape,
                      "x_type": x.dtype.name, "y": [float(v) for v in y.ravel()],
                      "y_shape": y.shape, "y_type": y.dtype.name})
    for name, model in refused():
        onnx.save(model, folder / f"refused_{name}.onnx")
    (folder / "cases.json").write_text(json.dumps(cases))


if __name__ == "__main__":
    main()
