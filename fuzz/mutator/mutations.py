"""Edits of a valid graph: shapes, attributes, types, names, raw data, edges, order, duplicates, opset.

Each takes a random generator and a model, changes the model in place, and does nothing where there is
nothing of its kind to change.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tensors import array_of

SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, -1, -2)
EXTREME = (2**24, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, -(2**31), -(2**63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-3, 1e-30, 1e-42, 1e30, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan)
TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16, TensorProto.INT64,
         TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL, TensorProto.STRING,
         TensorProto.INT4, 99)
OPERATORS = ("Add", "Sub", "Mul", "Div", "Relu", "Clip", "Identity", "Cast", "Dropout", "Flatten", "Softmax",
             "GlobalAveragePool", "MaxPool", "AveragePool", "Concat", "Transpose", "HardSigmoid", "MatMul",
             "Gemm", "Expand", "Reshape", "Unsqueeze", "Squeeze", "Shape", "Gather", "Where", "Equal", "Range",
             "ConstantOfShape", "Constant", "ReduceMean", "Pad", "Slice", "Resize", "BatchNormalization", "Conv",
             "Sigmoid", "LSTM")
STRINGS = ("", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER", "nearest", "linear", "cubic", "asymmetric",
           "half_pixel", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize", "floor", "ceil",
           "round_prefer_floor", "reflect", "edge", "constant", "x" * 3000)
# ONNX does not say what other numbers than 0 and 1 mean.
FLAGS = {"ceil_mode", "keepdims", "transA", "transB", "count_include_pad", "allowzero", "noop_with_empty_axes",
         "training_mode"}
NAMES = ("", "x0", "v0", "w0", "a\nb", "../../etc", "ü" * 500, "input")


def pick(random, choices):
    return choices[int(random.integers(len(choices)))]


def some_node(random, model):
    return pick(random, model.graph.node) if model.graph.node else None


def some_number(random, old: int) -> int:
    form = random.random()
    if form < 0.5:
        return old + int(pick(random, (-2, -1, 1, 1, 2)))
    return int(pick(random, SMALL if form < 0.9 else EXTREME))


def input_shape(random, model):
    dims = [d for value in model.graph.input for d in value.type.tensor_type.shape.dim]
    if not dims:
        return
    dim = pick(random, dims)
    if random.random() < 0.15:
        dim.dim_param = pick(random, ("N", "M", ""))
    else:
        dim.dim_value = some_number(random, dim.dim_value)


def input_rank(random, model):
    value = pick(random, model.graph.input)
    dims = value.type.tensor_type.shape.dim
    if random.random() < 0.5 and len(dims) > 0:
        del dims[int(random.integers(len(dims)))]
    else:
        dims.add().dim_value = int(pick(random, (1, 2, 3)))


def attribute(random, model):
    node = some_node(random, model)
    if node is None or not node.attribute:
        return
    a = pick(random, node.attribute)
    if a.type == AttributeProto.INT and a.name in FLAGS:
        a.i = int(not a.i)
    elif a.type == AttributeProto.INT:
        a.i = max(min(some_number(random, a.i), 2**63 - 1), -(2**63))
    elif a.type == AttributeProto.INTS and a.ints:
        at = int(random.integers(len(a.ints)))
        form = random.random()
        if form < 0.1:
            del a.ints[at]
        elif form < 0.2:
            a.ints.append(1)
        else:
            a.ints[at] = max(min(some_number(random, a.ints[at]), 2**63 - 1), -(2**63))
    elif a.type == AttributeProto.FLOAT:
        a.f = float(np.float32(pick(random, FLOATS)))
    elif a.type == AttributeProto.STRING:
        a.s = pick(random, STRINGS).encode()


def attribute_set(random, model):
    node = some_node(random, model)
    if node is None:
        return
    form = random.random()
    if form < 0.3 and node.attribute:
        del node.attribute[int(random.integers(len(node.attribute)))]
    elif form < 0.4 and node.attribute:
        node.attribute.add().CopyFrom(pick(random, node.attribute))
    elif form < 0.5 and node.attribute:
        a = pick(random, node.attribute)
        a.CopyFrom(helper.make_attribute(a.name, pick(random, (1, 1.5, "text", [1, 2], [0.5]))))
    else:
        name, value = pick(random, (("axis", 1), ("axis", -1), ("group", 2), ("dilations", [2, 2]), ("axes", [1]),
                                    ("keepdims", 0), ("ceil_mode", 1), ("count_include_pad", 1), ("transA", 1),
                                    ("transB", 1), ("alpha", 0.5), ("allowzero", 1), ("auto_pad", "SAME_UPPER"),
                                    ("auto_pad", "VALID"), ("storage_order", 1), ("mode", "reflect"), ("to", 7),
                                    ("training_mode", 1), ("noop_with_empty_axes", 1), ("antialias", 1),
                                    ("exclude_outside", 1), ("perm", [0, 2, 1, 3]), ("strides", [2, 2])))
        kept = [a for a in node.attribute if a.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])


def weights_data(random, model):
    """Single values, a whole tensor at once, or an extent of a shape."""
    if not model.graph.initializer:
        return
    tensor = pick(random, model.graph.initializer)
    array = array_of(tensor)
    if array is None or array.size == 0:
        return
    if array.dtype == np.int64:
        at = int(random.integers(array.size))
        array.flat[at] = max(min(some_number(random, int(array.flat[at])), 2**63 - 1), -(2**63))
    elif array.dtype == np.float32:
        form = random.random()
        if form < 0.3:
            array[...] = np.float32(pick(random, (0.0, 0.0, 1.0, -1.0, 1e-20, 1e4)))
        elif form < 0.5:
            with np.errstate(over="ignore"):
                array *= np.float32(pick(random, (-1, 0.01, 100, 1e10)))
        else:
            array.flat[int(random.integers(array.size))] = np.float32(pick(random, FLOATS))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def weights_shape(random, model):
    if not model.graph.initializer:
        return
    tensor = pick(random, model.graph.initializer)
    form = random.random()
    if form < 0.3 and tensor.raw_data:
        tensor.raw_data = tensor.raw_data[: int(random.integers(len(tensor.raw_data) + 1))]
    elif form < 0.6 and tensor.dims:
        at = int(random.integers(len(tensor.dims)))
        tensor.dims[at] = max(min(some_number(random, tensor.dims[at]), 2**63 - 1), -(2**63))
    elif form < 0.8:
        array = array_of(tensor)
        if array is not None and array.ndim:
            axis = int(random.integers(array.ndim))
            grown = np.repeat(array, 2, axis) if random.random() < 0.5 else np.take(array, [0], axis)
            if grown.size <= 1 << 18:
                tensor.CopyFrom(numpy_helper.from_array(grown, tensor.name))
    elif random.random() < 0.5:
        tensor.dims.append(1)
    elif tensor.dims:
        del tensor.dims[-1]


def weights_type(random, model):
    if not model.graph.initializer:
        return
    tensor = pick(random, model.graph.initializer)
    form = random.random()
    if form < 0.3:
        tensor.data_type = pick(random, TYPES)
    elif form < 0.5:
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", pick(random, ("nothing.bin", "../x", "/dev/zero", "model.onnx"))),
                           ("offset", str(pick(random, (0, 1, -1, 2**62)))), ("length", str(pick(random, (0, 4, 2**62))))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    else:
        array = array_of(tensor)
        kind = pick(random, (np.float16, np.float64, np.int64, np.int32, np.float32))
        if array is not None:
            with np.errstate(all="ignore"):
                tensor.CopyFrom(numpy_helper.from_array(array.astype(kind), tensor.name))


def names(random, model):
    node = some_node(random, model)
    form = random.random()
    name = pick(random, NAMES)
    if form < 0.3 and node is not None:
        node.name = name
    elif form < 0.5 and node is not None and node.output:
        node.output[0] = name
    elif form < 0.7 and model.graph.initializer:
        pick(random, model.graph.initializer).name = name
    elif form < 0.85 and model.graph.input:
        pick(random, model.graph.input).name = name
    elif model.graph.output:
        pick(random, model.graph.output).name = name


def values_of(model) -> list[str]:
    found = [v.name for v in model.graph.input] + [o for n in model.graph.node for o in n.output]
    return [name for name in found if name]


def edge(random, model):
    node = some_node(random, model)
    if node is None or not node.input:
        return
    at = int(random.integers(len(node.input)))
    form = random.random()
    if form < 0.5:
        node.input[at] = pick(random, values_of(model) or [""])
    elif form < 0.6:
        node.input[at] = ""
    elif form < 0.7 and model.graph.initializer:
        node.input[at] = pick(random, model.graph.initializer).name
    elif form < 0.85:
        other = int(random.integers(len(node.input)))
        node.input[at], node.input[other] = node.input[other], node.input[at]
    elif form < 0.93:
        del node.input[at]
    else:
        node.input.append(node.input[at])


def outputs(random, model):
    form = random.random()
    if form < 0.6:
        name = pick(random, values_of(model) or [""])
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    elif form < 0.7 and model.graph.output:
        model.graph.output.append(model.graph.output[0])
    elif len(model.graph.output) > 1:
        del model.graph.output[int(random.integers(len(model.graph.output)))]


def new_inputs(random, model):
    if not model.graph.input:
        return
    copy = model.graph.input.add()
    copy.CopyFrom(model.graph.input[0])
    copy.name = pick(random, ("second", model.graph.input[0].name))
    if model.graph.node and random.random() < 0.7:
        node = some_node(random, model)
        if node.input:
            node.input[int(random.integers(len(node.input)))] = copy.name


def order(random, model):
    nodes = list(model.graph.node)
    form = random.random()
    if form < 0.4:
        nodes = [nodes[i] for i in random.permutation(len(nodes))]
    elif form < 0.6 and nodes:
        nodes.insert(int(random.integers(len(nodes) + 1)), nodes[int(random.integers(len(nodes)))])
    elif nodes:
        del nodes[int(random.integers(len(nodes)))]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def operator(random, model):
    node = some_node(random, model)
    if node is None:
        return
    node.op_type = pick(random, OPERATORS)
    if random.random() < 0.3:
        del node.attribute[:]
    if random.random() < 0.05:
        node.domain = pick(random, ("ai.onnx", "com.microsoft", "ai.onnx.ml"))


def tensor_input(model, values, kind) -> str:
    name = f"m{len(model.graph.initializer)}_{len(model.graph.node)}"
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, kind), name))
    return name


def insert(random, model):
    """An operator on an edge that keeps the shape, or takes away what the next one gives back."""
    node = some_node(random, model)
    if node is None or not node.input or not node.input[0]:
        return
    source, name = node.input[0], f"i{len(model.graph.node)}"
    kind = pick(random, ("Identity", "Cast", "Dropout", "Relu", "Clip", "HardSigmoid", "Transpose", "Pad",
                         "Add", "Mul", "Softmax", "Squeeze", "Slice", "Expand", "MaxPool", "Reshape", "Resize"))
    inputs, attributes = [source], {}
    if kind == "Cast":
        attributes["to"] = pick(random, (1, 1, 1, 7, 10, 11, 16))
    elif kind == "Clip":
        inputs += [tensor_input(model, pick(random, (0, -1, 1, np.nan, -np.inf)), np.float32),
                   tensor_input(model, pick(random, (1, 6, -2, np.inf, np.nan)), np.float32)]
    elif kind == "Transpose":
        attributes["perm"] = pick(random, ([0, 1, 3, 2], [0, 2, 3, 1], [0, 3, 1, 2], [1, 0, 2, 3]))
    elif kind == "Pad":
        inputs.append(tensor_input(model, pick(random, ([0, 0, 1, 1, 0, 0, -1, -1], [0, 0, -2, 0, 0, 0, 2, 0],
                                                        [0, 1, 0, 0, 0, -1, 0, 0], [0, 0, 2, 3, 0, 0, 2, 1],
                                                        [0, 0, 5, 0, 0, 0, -5, 0])), np.int64))
    elif kind in ("Add", "Mul"):
        inputs.append(pick(random, (source, tensor_input(model, 0.5, np.float32),
                                    pick(random, values_of(model)))))
    elif kind == "Slice":
        step = pick(random, (1, 2, -1))
        bounds = ([1], [2**31 - 1]) if step > 0 else ([-1], [-(2**31)])
        inputs += [tensor_input(model, v, np.int64) for v in (*bounds, [pick(random, (1, 2, 3))], [step])]
    elif kind == "Expand":
        inputs.append(tensor_input(model, pick(random, ([1, 1, 1, 1], [1], [2, 1, 1, 1], [1, 4, 1, 1])), np.int64))
    elif kind == "MaxPool":
        side = int(pick(random, (1, 2, 3, 9, 2**20)))
        attributes = {"kernel_shape": [side, 1], "pads": [side // 2, 0, side // 2, 0]}
    elif kind == "Reshape":
        inputs.append(tensor_input(model, pick(random, ([0, -1], [1, -1], [0, 0, -1], [-1, 1, 1, 1], [0, 0, 0, 0])), np.int64))
    elif kind == "Resize":
        inputs += ["", tensor_input(model, [1, 1, pick(random, (1, 1.5, 2, 0.4)), pick(random, (1, 2, 0.7))], np.float32)]
        attributes["mode"] = pick(random, ("nearest", "linear"))
    made = helper.make_node(kind, inputs, [name], pick(random, (name, "", node.name)), **attributes)
    at = list(model.graph.node).index(node)
    node.input[0] = name
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in model.graph.node]
    nodes.insert(at, made)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def repeat_subgraph(random, model):
    """A second copy of a node under other names, its result joined to the first one's by an Add."""
    node = some_node(random, model)
    if node is None or not node.output:
        return
    name = f"r{len(model.graph.node)}"
    copy = onnx.NodeProto.FromString(node.SerializeToString())
    copy.name, copy.output[0] = name, name
    joined = helper.make_node(pick(random, ("Add", "Mul", "Sub", "Concat")), [node.output[0], name], [name + "s"],
                              name + "s", **({"axis": 1} if random.random() < 0.3 else {}))
    first = node.output[0]
    for other in model.graph.node:
        if other is not node and first in other.input and random.random() < 0.7:
            other.input[list(other.input).index(first)] = name + "s"
    model.graph.node.extend([copy, joined])
    if random.random() < 0.3:
        model.graph.output.append(helper.make_tensor_value_info(name + "s", TensorProto.FLOAT, None))


def model_version(random, model):
    form = random.random()
    if form < 0.7 and model.opset_import:
        model.opset_import[0].version = int(pick(random, (0, 9, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 2**40)))
    elif form < 0.8:
        model.ir_version = int(pick(random, (0, 3, 7, 10, 99)))
    elif form < 0.9:
        model.opset_import.add().domain = "com.microsoft"
    else:
        entry = model.metadata_props.add()
        entry.key, entry.value = pick(random, ("sluice.mean", "sluice.labels", "")), pick(random, ("[", "[1]", "x" * 999))


MUTATIONS = (input_shape, input_shape, input_rank, attribute, attribute, attribute, attribute_set, weights_data,
             weights_data, weights_shape, weights_type, names, edge, edge, outputs, new_inputs, order, operator,
             insert, insert, insert, repeat_subgraph, model_version)


def mutate(random: np.random.Generator, model: onnx.ModelProto) -> str:
    """One to four edits; returns their names."""
    done = []
    for _ in range(int(random.integers(1, 5))):
        edit = pick(random, MUTATIONS)
        try:
            edit(random, model)
        except (ValueError, OverflowError, TypeError) as error:  # protobuf has no such value
            done.append(f"{edit.__name__} ({error})")
            continue
        done.append(edit.__name__)
    return ", ".join(done)
