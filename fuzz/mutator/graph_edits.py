"""Edits of the graph: edges, inputs, outputs, order, copies, and operators on an edge.

Each takes a random generator and a model, changes the model in place, and does nothing where there
is nothing of its kind to change.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from draw import pick, set_nodes, some_node, values_of

OPERATORS = """Add Sub Mul Div Relu Clip Identity Cast Dropout Flatten Softmax GlobalAveragePool
    MaxPool AveragePool Concat Transpose HardSigmoid MatMul Gemm Expand Reshape Unsqueeze Squeeze
    Shape Gather Where Equal Range ConstantOfShape Constant ReduceMean Pad Slice Resize
    BatchNormalization Conv Sigmoid LSTM""".split()
INSERTED = """Identity Cast Dropout Relu Clip HardSigmoid Transpose Pad Add Mul Softmax Squeeze
    Slice Expand MaxPool Reshape Resize""".split()
LAST = 2**31 - 1
PADS = (
    [0, 0, 1, 1, 0, 0, -1, -1], [0, 0, -2, 0, 0, 0, 2, 0], [0, 1, 0, 0, 0, -1, 0, 0],
    [0, 0, 2, 3, 0, 0, 2, 1], [0, 0, 5, 0, 0, 0, -5, 0],
)  # fmt: skip
PERMUTATIONS = ([0, 1, 3, 2], [0, 2, 3, 1], [0, 3, 1, 2], [1, 0, 2, 3])
EXPANDED = ([1, 1, 1, 1], [1], [2, 1, 1, 1], [1, 4, 1, 1])
RESHAPED = ([0, -1], [1, -1], [0, 0, -1], [-1, 1, 1, 1], [0, 0, 0, 0])


def edge(random, model):
    node = some_node(random, model)
    if node is None or not node.input:
        return
    at, form = int(random.integers(len(node.input))), random.random()
    if form < 0.55:
        node.input[at] = pick(random, values_of(model))
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
    """A value on the way as an output too, one output twice, or one less."""
    form = random.random()
    if form < 0.7:
        name = pick(random, values_of(model))
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    elif form < 0.8 and model.graph.output:
        model.graph.output.append(model.graph.output[0])
    elif len(model.graph.output) > 1:
        del model.graph.output[int(random.integers(len(model.graph.output)))]


def new_input(random, model):
    if not model.graph.input:
        return
    copy = model.graph.input.add()
    copy.CopyFrom(model.graph.input[0])
    copy.name = pick(random, ("second", "second", copy.name))
    node = some_node(random, model)
    if node is not None and node.input and random.random() < 0.7:
        node.input[int(random.integers(len(node.input)))] = copy.name


def order(random, model):
    """Nodes shuffled, one twice, or one less."""
    nodes, form = list(model.graph.node), random.random()
    if not nodes:
        return
    at = int(random.integers(len(nodes)))
    if form < 0.6:
        nodes = [nodes[i] for i in random.permutation(len(nodes))]
    elif form < 0.7:
        nodes.insert(int(random.integers(len(nodes) + 1)), nodes[at])
    else:
        del nodes[at]
    set_nodes(model, nodes)


def operator(random, model):
    node = some_node(random, model)
    if node is None:
        return
    node.op_type = pick(random, OPERATORS)
    if random.random() < 0.3:
        del node.attribute[:]
    if random.random() < 0.05:
        node.domain = pick(random, ("ai.onnx", "com.microsoft", "ai.onnx.ml"))


def constant(model, values, kind) -> str:
    name = f"m{len(model.graph.initializer)}_{len(model.graph.node)}"
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, kind), name))
    return name


def parts_of(random, model, kind: str, source: str) -> tuple[list[str], dict]:
    """Further inputs and the attributes of an inserted operator."""

    def floats(*values):
        return [constant(model, value, np.float32) for value in values]

    def ints(*values):
        return [constant(model, value, np.int64) for value in values]

    if kind == "Cast":
        return [], {"to": pick(random, (1, 1, 1, 7, 10, 11, 16))}
    if kind == "Clip":
        low, high = (0, -1, 1, np.nan, -np.inf), (1, 6, -2, np.inf, np.nan)
        return floats(pick(random, low), pick(random, high)), {}
    if kind == "Transpose":
        return [], {"perm": pick(random, PERMUTATIONS)}
    if kind == "Pad":
        return ints(pick(random, PADS)), {}
    if kind in ("Add", "Mul"):
        return [pick(random, (source, *floats(0.5), pick(random, values_of(model))))], {}
    if kind == "Slice":
        step = pick(random, (1, 2, -1))
        bounds = ([1], [LAST]) if step > 0 else ([-1], [-LAST])
        return ints(*bounds, [pick(random, (1, 2, 3))], [step]), {}
    if kind in ("Expand", "Reshape"):
        return ints(pick(random, EXPANDED if kind == "Expand" else RESHAPED)), {}
    if kind == "MaxPool":
        side = int(pick(random, (1, 2, 3, 9, 2**20)))
        return [], {"kernel_shape": [side, 1], "pads": [side // 2, 0, side // 2, 0]}
    if kind == "Resize":
        scales = [1, 1, pick(random, (1, 1.5, 2, 0.4)), pick(random, (1, 2, 0.7))]
        return ["", *floats(scales)], {"mode": pick(random, ("nearest", "linear"))}
    return [], {}


def insert(random, model):
    """An operator on an edge, that mostly keeps the shape."""
    node = some_node(random, model)
    if node is None or not node.input or not node.input[0]:
        return
    source, name = node.input[0], f"i{len(model.graph.node)}"
    kind = pick(random, INSERTED)
    further, attributes = parts_of(random, model, kind, source)
    label = pick(random, (name, "", node.name))
    made = helper.make_node(kind, [source, *further], [name], label, **attributes)
    nodes = list(model.graph.node)
    node.input[0] = name
    set_nodes(model, [each for old in nodes for each in ([made, old] if old is node else [old])])


def repeat(random, model):
    """A copy of a node under another name, the results of both joined for some of the readers."""
    node = some_node(random, model)
    if node is None or not node.output:
        return
    name, first = f"r{len(model.graph.node)}", node.output[0]
    copy = onnx.NodeProto.FromString(node.SerializeToString())
    copy.name, copy.output[0], joined = name, name, name + "s"
    kind = pick(random, ("Add", "Mul", "Sub", "Concat"))
    attributes = {"axis": 1} if kind == "Concat" else {}
    for other in model.graph.node:
        if other is not node and first in other.input and random.random() < 0.7:
            other.input[list(other.input).index(first)] = joined
    model.graph.node.append(copy)
    model.graph.node.append(helper.make_node(kind, [first, name], [joined], joined, **attributes))
    if random.random() < 0.3:
        model.graph.output.append(helper.make_tensor_value_info(joined, TensorProto.FLOAT, None))


GRAPH_EDITS = (edge, edge, outputs, new_input, order, operator, insert, insert, insert, repeat)
