"""Writes one small ONNX model per case, and cases.json with what reading it must give.

Shapes come from the onnx package's shape inference, folded values from its reference evaluator.
Usage: make_cases.py OUTPUT_FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

X = (1, 4, 9, 7)


def build(nodes, weights=None, x=X, y=None, opset=17, extra=()):
    weights = weights or {}
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x), *extra],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def one(op, weights=None, opset=17, x=X, **attributes):
    inputs = ["x", *(weights or {})]
    named = {name: value for name, value in (weights or {}).items() if value is not None}
    inputs = [name if name == "x" or name in named else "" for name in inputs]
    return build([helper.make_node(op, inputs, ["y"], "node", **attributes)], named, x, opset=opset)


def ints(*values):
    return np.array(values, np.int64)


def ones(*shape):
    return np.ones(shape, np.float32)


def shape_cases():
    bn = {name: ones(4) for name in ("scale", "shift", "mean", "variance")}
    yield "add", one("Add", {"b": ones(4, 1, 7)})
    yield "sub_wider", one("Sub", {"b": ones(2, 1, 1, 1, 1)})
    yield "mul", one("Mul", {"b": ones(1)})
    yield "div", one("Div", {"b": ones(9, 1)})
    yield "relu", one("Relu")
    yield "clip", one("Clip", {"low": np.float32(0), "high": np.float32(1)})
    yield "hard_sigmoid", one("HardSigmoid")
    yield "identity", one("Identity")
    yield "dropout", one("Dropout")
    yield "dropout_off", one("Dropout", {"ratio": np.float32(0.5), "training": np.array(False)})
    yield "softmax", one("Softmax", axis=1)
    yield "batch_normalization", one("BatchNormalization", bn)
    yield "conv", one(
        "Conv", {"w": ones(5, 4, 3, 2), "b": ones(5)}, strides=[2, 1], pads=[1, 0, 2, 1])
    yield "conv_group", one("Conv", {"w": ones(6, 2, 3, 3)}, group=2, dilations=[2, 1])
    yield "conv_same", one("Conv", {"w": ones(6, 4, 3, 3)}, auto_pad="SAME_UPPER", strides=[2, 2])
    yield "max_pool", one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield "max_pool_ceil", one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    yield "average_pool", one("AveragePool", kernel_shape=[3, 2], strides=[3, 2])
    yield "global_average_pool", one("GlobalAveragePool")
    yield "reduce_mean", one("ReduceMean", axes=[2, -1], keepdims=0)
    yield "reduce_mean_18", one("ReduceMean", {"axes": ints(2, 3)}, opset=18)
    yield "pad", one("Pad", {"pads": ints(0, 1, 2, 0, 0, 3, 0, -1)})
    yield "pad_axes", one(
        "Pad", {"pads": ints(1, 2), "value": np.float32(0), "axes": ints(-1)}, opset=18)
    yield "slice", one(
        "Slice", {"s": ints(1, 0), "e": ints(9, 2**62), "a": ints(2, 3), "t": ints(2, 3)})
    yield "slice_back", one(
        "Slice", {"s": ints(-1), "e": ints(-(2**62)), "a": ints(2), "t": ints(-2)})
    yield "concat", one("Concat", {"b": ones(1, 3, 9, 7)}, axis=1)
    yield "resize_scales", one(
        "Resize", {"roi": None, "scales": np.array([1, 1, 2, 1.5], np.float32)})
    yield "resize_sizes", one(
        "Resize", {"roi": None, "scales": None, "sizes": ints(1, 4, 18, 3)}, mode="linear")
    yield "expand", one("Expand", {"to": ints(2, 1, 4, 1, 1)})
    yield "flatten", one("Flatten", axis=2)
    yield "reshape", one("Reshape", {"to": ints(0, 2, -1, 7)})
    yield "squeeze", one("Squeeze", {"axes": ints(0)})
    yield "unsqueeze", one("Unsqueeze", {"axes": ints(-1, 1)})
    yield "transpose", one("Transpose", perm=[0, 2, 3, 1])
    yield "gemm", one("Gemm", {"w": ones(5, 4), "c": ones(5)}, x=(2, 4), transB=1)
    yield "mat_mul", one("MatMul", {"w": ones(7, 5)})


def with_sparse(model, name):
    """The model with one of its initialisers made sparse."""
    dense = next(t for t in model.graph.initializer if t.name == name)
    sparse = model.graph.sparse_initializer.add(dims=dense.dims)
    sparse.values.CopyFrom(dense)
    sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(dense.dims[0]), "at"))
    model.graph.initializer.remove(dense)
    return model


def pruned_cases():
    """Models with parts that their output does not depend on, each fit to be refused if read."""
    relu = helper.make_node("Relu", ["x"], ["y"], "node")

    def add(*dead, weights=None):
        return build([relu, *dead], weights)

    yield "unknown_operator", add(helper.make_node("LogSoftmax", ["x"], ["dead"]))
    yield "missing_input", add(helper.make_node("Relu", ["absent"], ["dead"]))
    yield "chain", add(helper.make_node("Sigmoid", ["x"], ["d"]),
                       helper.make_node("Conv", ["d", "w"], ["e"]), weights={"w": ones(2)})
    yield "cycle", add(helper.make_node("Relu", ["b"], ["a"]),
                       helper.make_node("Relu", ["a"], ["b"]))
    yield "no_output", add(helper.make_node("Relu", ["x"], []))
    yield "int16", add(weights={"w": np.ones(2, np.int16)})
    yield "nan", add(weights={"w": np.array([np.nan], np.float32)})
    yield "negative_extent", add(weights={"w": ones(2)})
    yield "sparse", with_sparse(add(weights={"w": ones(2)}), "w")
    yield "attribute", add(helper.make_node("Constant", [], ["dead"], value=numpy_helper.from_array(
        np.ones(2, np.int16))))
    yield "mask", build([helper.make_node("Dropout", ["x"], ["y", "mask"], "node")])
    listed = add(weights={"w": ones(2)})  # as old exporters do
    listed.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, (2,)))
    yield "listed", listed


def folded(nodes, weights=None, opset=17):
    """y = x + f, where f is what the nodes give."""
    return build([*nodes, helper.make_node("Add", ["x", "f"], ["y"], "sum")], weights, (1, 4),
                 opset=opset)


def value_cases():
    def node(op, inputs, output="f", **attributes):
        return helper.make_node(op, inputs, [output], **attributes)

    a = np.array([1.5, -2, 3, 0.25], np.float32)
    n = ints(3, -1, 4, 1)
    def to_float_of(name):
        return node("Cast", [name], to=TensorProto.FLOAT)

    to_float = to_float_of("n")
    for op in ("Add", "Sub", "Mul", "Div"):
        yield f"value_{op}", folded([node(op, ["a", "b"])], {"a": a, "b": a[::-1].copy()})
    yield "value_int", folded([node("Mul", ["m", "m"], "n"), to_float], {"m": n})
    yield "value_gather", folded(
        [node("Gather", ["a", "i"])], {"a": a, "i": ints(-1, 0, 2, 2)})
    yield "value_gather_axis", folded(
        [node("Gather", ["a", "i"], axis=1)], {"a": np.arange(12, dtype=np.float32).reshape(4, 3),
                                              "i": np.array(1, np.int64)})
    yield "value_shape", folded([node("Shape", ["x"], "s"), node("Concat", ["s", "s"], "n", axis=0),
                                 to_float])
    yield "value_where", folded(
        [node("Equal", ["n", "m"], "q"), node("Where", ["q", "a", "b"])],
        {"n": n, "m": ints(3, 1, 4, 2), "a": a, "b": -a})
    yield "value_range", folded([node("Range", ["p", "q", "r"], "n"), to_float],
                                {"p": np.array(7), "q": np.array(-1), "r": np.array(-2)})
    yield "value_transpose", folded(
        [node("Transpose", ["m"], "t"), node("Reshape", ["t", "to"])],
        {"m": a.reshape(2, 2), "to": ints(-1)})
    yield "value_slice", folded([node("Slice", ["a", "s", "e", "z", "t"])],
                                {"a": a, "s": ints(-1), "e": ints(-(2**62)), "z": ints(0),
                                 "t": ints(-1)})
    yield "value_pad", folded([node("Pad", ["a", "p", "v"])],
                              {"a": a[:2], "p": ints(1, 1), "v": np.float32(9)})
    yield "value_expand", folded([node("Expand", ["a", "to"])], {"a": a[:1], "to": ints(1, 4)})
    yield "value_half", folded([node("Cast", ["a"], to=TensorProto.FLOAT)],
                               {"a": np.array([1.5, -0.125, 6e-8, 65504], np.float16)})
    for type_, wide in (("INT8", 200), ("UINT8", 300), ("INT16", 40000), ("INT32", 2**31 + 5),
                        ("UINT32", -7), ("BOOL", 2)):
        yield f"value_to_{type_.lower()}", folded(
            [node("Cast", ["n"], "m", to=getattr(TensorProto, type_)),
             node("Cast", ["m"], to=TensorProto.FLOAT)], {"n": ints(wide, 1, 0, 100)})
    yield "value_float_to_bool", folded(
        [node("Cast", ["a"], "m", to=TensorProto.BOOL), node("Cast", ["m"], to=TensorProto.FLOAT)],
        {"a": np.array([1e30, -0.5, 0, 3], np.float32)})
    bytes_ = np.array([[-128, 3], [127, 0]], np.int8)
    scales = {"s": np.array([0.5, 0.03], np.float32), "z": np.array([3, -9], np.int8)}
    yield "value_dequantize", folded(
        [node("DequantizeLinear", ["m", "s", "z"], "d", axis=1), node("Reshape", ["d", "to"])],
        {"m": bytes_, **scales, "to": ints(-1)}, opset=19)
    yield "value_dequantize_bias", folded(
        [node("DequantizeLinear", ["m", "s"], axis=0)],
        {"m": np.array([2**30 + 1, -7, 0, 5], np.int32),
         "s": np.array([0.5, 0.25, 3, 1e-40], np.float32)}, opset=19)
    yield "value_quantize", folded(
        [node("QuantizeLinear", ["a", "s", "z"], "q", axis=0),
         node("DequantizeLinear", ["q", "s", "z"], axis=0)],
        {"a": np.array([0.25, -3, 7.7, 1e9], np.float32),
         "s": np.array([0.1, 0.01, 0.02, 1], np.float32), "z": np.array([0, 3, 200, 9], np.uint8)},
        opset=19)
    yield "value_bytes", folded(
        [node("Transpose", ["m"], "t"), node("Concat", ["t", "m"], "c", axis=0),
         node("Slice", ["c", "from", "till"], "p"), node("Pad", ["p", "pads", "fill"], "r"),
         node("Gather", ["r", "at"], "g"), node("Add", ["g", "g"], "h"), to_float_of("h")],
        {"m": bytes_, "from": ints(1), "till": ints(3), "pads": ints(1, 0, 0, 2),
         "fill": np.int8(5), "at": np.array(0, np.int64)})
    # Shape needs no elements of what it measures, of which there are too many.
    yield "value_shape_of_much", folded(
        [node("ConstantOfShape", ["n"], "c"), node("Add", ["c", "c"], "d"),
         node("Shape", ["d"], "s"), to_float_of("s")], {"n": ints(2**10, 2**10, 2**7, 2)})
    yield "value_fill", folded([node("ConstantOfShape", ["n"],
                                     value=helper.make_tensor("v", TensorProto.FLOAT, [1], [2.5]))],
                               {"n": ints(1, 4)})


def quantized(scale=np.float32(0.1), zero=np.uint8(3), other_zero=None, opset=21, **attributes):
    """y = DequantizeLinear(QuantizeLinear(x)), the former by another zero point where there is one."""
    weights = {"scale": scale, "zero": zero}
    if other_zero is not None:
        weights["other"] = other_zero
    return build([helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], "node"),
                  helper.make_node("DequantizeLinear", [
                      "q", "scale", "zero" if other_zero is None else "other"], ["y"], "back",
                      **attributes)], weights, opset=opset)


def of_type(name, kind, opset=21):
    """Numbers of a type that NumPy lacks, dequantised and added."""
    model = build([helper.make_node("DequantizeLinear", ["w", "scale"], ["d"], "back"),
                   helper.make_node("Add", ["x", "d"], ["y"], "sum")],
                  {"scale": np.float32(0.1)}, x=(1, 4), opset=opset)
    model.graph.initializer.append(helper.make_tensor("w", kind, [4], [1, 0, 1, 0]))
    return name, model, f"initialiser 'w' holds {name}"


def quantized_errors():
    for name, scale, what in (
            ("zero", 0.0, "which is not positive"), ("negative", -0.5, "which is not positive"),
            ("infinite", np.inf, "which makes numbers infinite"),
            ("large", 3e38, "which makes numbers infinite"),
            ("nan", np.nan, "which is no number"), ("denormal", 1e-39, "too small")):
        yield f"scale_{name}", quantized(np.float32(scale)), what
    yield "scale_double", quantized(np.array([0.1, 0.2], np.float32)), "has 2 scales for axis 1"
    yield "scale_integer", quantized(np.int64(1)), "a scale that is no float"
    yield "scale_blocks", quantized(
        np.full((1, 4, 9, 7), 0.1, np.float32), np.zeros((1, 4, 9, 7), np.uint8),
        block_size=1), "one for each block"
    yield "scale_computed", build(
        [helper.make_node("ReduceMean", ["x"], ["scale"], "mean", keepdims=0),
         helper.make_node("QuantizeLinear", ["x", "scale"], ["q"], "node"),
         helper.make_node("DequantizeLinear", ["q", "scale"], ["y"], "back")], x=(1, 4)), \
        "has a scale that the model computes"
    yield "zero_int32", quantized(zero=np.int32(3)), "quantises to another type"
    yield "zero_other", quantized(other_zero=np.int8(3)), \
        "a zero point of another type than its uint8"
    yield "zero_two", quantized(zero=np.array([1, 2], np.uint8)), "has 2 zero points for 1 scales"
    yield "zero_int32_bias", build(
        [helper.make_node("DequantizeLinear", ["b", "scale", "zero"], ["d"], "back"),
         helper.make_node("Add", ["x", "d"], ["y"], "sum")],
        {"b": np.ones(7, np.int32), "scale": np.float32(0.1), "zero": np.int32(1)}), \
        "a zero point of int32 that is not 0"
    yield "to_uint16", build(
        [helper.make_node("QuantizeLinear", ["x", "scale"], ["q"], "node",
                          output_dtype=TensorProto.UINT16),
         helper.make_node("DequantizeLinear", ["q", "scale"], ["y"], "back")],
        {"scale": np.float32(0.1)}, opset=21), "quantises to another type than int8 or uint8"
    yield "zero_uint16", quantized(zero=np.uint16(3)), "initialiser 'zero' holds uint16"
    for kind in ("int4", "uint4", "float8e4m3fn", "float8e5m2"):
        yield of_type(kind, getattr(TensorProto, kind.upper()))
    yield "dynamic", build(
        [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], "node"),
         helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], "back")]), \
        "node (DynamicQuantizeLinear): "
    joined = build([helper.make_node("QLinearAdd", ["x", "s", "z", "x", "s", "z", "s", "z"], ["y"],
                                     "node", domain="com.microsoft")],
                   {"s": np.float32(0.1), "z": np.uint8(3)})
    yield "q_linear_add", joined, "unsupported operator of domain 'com.microsoft'"
    wide = one("Add", {"bad": np.ones(7, np.uint8)})
    wide.graph.initializer[0].ClearField("raw_data")
    wide.graph.initializer[0].int32_data.extend([1, 2, 3, 300, 5, 6, 7])
    yield "bytes_beyond", wide, "holds numbers that are no uint8"


def error_cases():
    for name, model, what in quantized_errors():
        yield f"quantized_{name}", model, what
    yield "unsupported", one("STFT"), "unsupported operator"
    yield "channels", one("Conv", {"w": ones(5, 3, 3, 3)}), "do not fit its input"
    yield "dropout_on", one("Dropout", {"ratio": np.float32(0.5), "training": np.array(True)}), \
        "Dropout with training_mode true"
    yield "dropout_unknown", build([
        helper.make_node("Cast", ["x"], ["t"], "cast", to=TensorProto.BOOL),
        helper.make_node("Dropout", ["x", "", "t"], ["y"], "node")], x=(1, 1)), "integers from"
    yield "no_reshape", one("Reshape", {"to": ints(5, -1)}), "cannot reshape"
    yield "no_broadcast", one("Add", {"b": ones(5)}), "do not fit together"
    yield "old_opset", one("Relu", opset=6), "opset 6"
    yield "symbolic", one("Relu", x=("N", 3, "H", "W")), (
        "input 'x' has symbolic extents: 'H' (axis 2), 'W' (axis 3)")
    yield "symbolic_unnamed", one("Relu", x=("N", 3, None, 8)), "an unnamed one (axis 2)"
    yield "symbolic_channels", one("Relu", x=("N", "C", 9, "W")), "'C' (axis 1), 'W' (axis 3); export"
    yield "symbolic_length", one("Relu", x=("N", 3, "L")), "'L' (axis 2); export with fixed ones"
    yield "symbolic_square", one("Relu", x=("N", 3, "S", "S")), "--size HxW, ModelOptions::size"
    yield "rank_9", one("Relu", x=(1,) * 9), "has rank 9"
    int16 = one("Relu")
    int16.graph.input[0].type.tensor_type.elem_type = TensorProto.INT16
    yield "int16_input", int16, "input 'x' is int16, not float32, uint8 or int8"
    uint8 = one("Relu")
    uint8.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    yield "uint8_relu", uint8, "computes integers from the image"
    shapeless = one("Relu")
    shapeless.graph.input[0].type.tensor_type.ClearField("shape")
    yield "no_shape", shapeless, "input 'x' has no shape"
    sequence = one("Relu")
    sequence.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
    yield "sequence", sequence, "input 'x' is no tensor"
    yield "int16", one("Add", {"bad": np.ones(7, np.int16)}), "initialiser 'bad' holds int16"
    yield "strings", one("Add", {"bad": np.array(["a"], object)}), "initialiser 'bad' holds string"
    unknown = one("Add", {"bad": ones(7)})
    unknown.graph.initializer[0].data_type = 99
    yield "no_type", unknown, "initialiser 'bad' holds element type 99"
    yield "sparse", with_sparse(one("Add", {"b": ones(7)}), "b"), "initialiser 'b' is sparse"
    yield "graph_attribute", build([helper.make_node(
        "Relu", ["x"], ["y"], body=one("Relu").graph)]), "attribute 'body' is a graph"
    yield "top_k", build([helper.make_node("TopK", ["x", "k"], ["y", "i"], "node", axis=1)],
                         {"k": ints(1)}), "cut the graph before it"
    yield "spatial", one("BatchNormalization", {n: ones(3) for n in "sbmv"}, opset=7, spatial=0), \
        "statistics of its own"
    yield "split_uneven", one("Split", {"parts": ints(1, 1)}, axis=1), "do not fit"
    yield "second_output", build([
        helper.make_node("MaxPool", ["x"], ["p", "i"], "pool", kernel_shape=[1, 1]),
        helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT)]), "pool (MaxPool): gives 'i'"
    deep = one("Add", {"bad": ones(7)})
    deep.graph.initializer[0].dims[:] = [1] * 8 + [7]
    yield "rank_9_initializer", deep, "has the shape [1, 1, 1, 1, 1, 1, 1, 1, ...], more than 8"
    for name, dims in (("product_of_others", [0, 2**62, 2**62]), ("no_neighbour", [0, 2**63 - 1])):
        empty = one("Add", {"bad": ones(0, 1)})
        empty.graph.initializer[0].dims[:] = dims
        yield f"zero_{name}", empty, "more than 2147483648 elements"
    yield "rank_1", one("Relu", x=(4,)), "has rank 1"
    yield "missing", build([helper.make_node("Relu", ["z"], ["y"], "node")]), "reads 'z'"
    yield "cycle", build([helper.make_node("Add", ["x", "b"], ["y"], "node"),
                          helper.make_node("Relu", ["y"], ["b"])]), "a cycle"
    yield "two_batches", build(
        [helper.make_node("Add", ["x", "z"], ["y"], "node")],
        extra=[helper.make_tensor_value_info("z", TensorProto.FLOAT, (2, 4, 9, 7))]), "batch"
    for name, location, what in (("external_missing", "none.data", "cannot be read"),
                                 ("external_escapes", "../none.data", "not inside"),
                                 ("external_short", "short.data", "too short")):
        model = one("Add", {"b": ones(7)})
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        yield name, model, what
    often = build([helper.make_node("Add", [f"v{i}" if i else "x", f"w{i}"],
                                    [f"v{i + 1}" if i < 9 else "y"]) for i in range(10)],
                  {f"w{i}": ones(1) for i in range(10)})
    for tensor in often.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="short.data")
    yield "external_often", often, "more than 4 times as many"


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "short.data").write_bytes(b"1234")
    cases = []

    def add(name, model, **expected):
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
        cases.append({"file": f"{name}.onnx", **expected})

    for name, model in shape_cases():
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        dims = inferred.graph.output[0].type.tensor_type.shape.dim
        add(name, model, shape=[dim.dim_value for dim in dims])
    for name, model in value_cases():
        y = ReferenceEvaluator(model).run(None, {"x": np.zeros((1, 4), np.float32)})[0]
        add(name, model, values=[float(v) for v in y.ravel()])
    for name, model in pruned_cases():
        if name == "negative_extent":
            model.graph.initializer[0].dims[0] = -2
        add(f"pruned_{name}", model, pruned=True)
    for name, model, what in error_cases():
        add(name, model, error=what)
    (folder / "cases.json").write_text(json.dumps(cases))


if __name__ == "__main__":
    main()
