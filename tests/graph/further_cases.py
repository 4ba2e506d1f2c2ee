"""More nodes with random attributes, for make_cases.py: reductions, activations, normalisations and
what rearranges."""

from one_node import RANDOM, chance, draw, extents, ints, pick, tensor


def reduce_mean():
    shape = extents(draw(1, 4))
    axes = [int(a) for a in RANDOM.permutation(len(shape))[: draw(0, len(shape))]]
    axes = [a - len(shape) if chance(0.3) else a for a in axes]
    attributes = {"keepdims": draw(0, 1)} if chance(0.7) else {}
    if not axes:
        if chance(0.5):
            attributes["noop_with_empty_axes"] = draw(0, 1)
        return "ReduceMean", [tensor(shape)], attributes
    if chance(0.5):
        return "ReduceMean", [tensor(shape)], {"axes": axes, **attributes}, 17
    return "ReduceMean", [tensor(shape), ints(axes)], attributes


def reduction():
    op, inputs, attributes, *opset = reduce_mean()
    kind = pick("ReduceMax", "ReduceMin", "ReduceL2", "ReduceSum")
    opset = [11] if opset and kind == "ReduceSum" else opset
    return kind, inputs, attributes, *opset


UNARY = ["Abs", "Ceil", "Celu", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSwish", "LeakyRelu", "Log",
         "Mish", "Neg", "Reciprocal", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Tanh",
         "ThresholdedRelu"]


def unary():
    UNARY.append(UNARY.pop(0))
    return UNARY[-1], [tensor(extents(draw(1, 4)))], {}


def global_max_pool():
    return "GlobalMaxPool", [tensor(extents(pick(3, 4, 5)))], {}


def split():
    shape = extents(draw(1, 4))
    return "Split", [tensor(shape)], {"axis": draw(-len(shape), len(shape) - 1), "num_outputs": 1}


def arg_max():
    shape = extents(draw(1, 4))
    return "ArgMax", [tensor(shape)], {"axis": draw(-len(shape), len(shape) - 1),
                                       "keepdims": draw(0, 1)}


def tile():
    shape = extents(draw(1, 4))
    return "Tile", [tensor(shape), ints(extents(len(shape), 1, 3))], {}


def blocks():
    side = draw(1, 3)
    if chance(0.5):
        shape = [draw(1, 2), draw(1, 3) * side * side, draw(1, 4), draw(1, 4)]
        return "DepthToSpace", [tensor(shape)], {"blocksize": side, "mode": pick("DCR", "CRD")}
    return "SpaceToDepth", [tensor([draw(1, 2), draw(1, 3), side * draw(1, 4), side * draw(1, 4)])], {
        "blocksize": side}


def normalization():
    shape = extents(draw(3, 4), 1, 6)
    kind = pick("InstanceNormalization", "GroupNormalization", "LayerNormalization", "LRN")
    vector = tensor([shape[1]])
    if kind == "LRN":
        return kind, [tensor([*shape, 3][:4])], {"size": pick(1, 3, 5)}
    if kind == "LayerNormalization":
        axis = draw(0, len(shape) - 1)
        rest = tensor(shape[axis:])
        return kind, [tensor(shape), rest, rest][: draw(2, 3)], {"axis": axis}
    return kind, [tensor(shape), vector, vector], (
        {"num_groups": pick(1, shape[1])} if kind == "GroupNormalization" else {})


def scatter():
    shape = extents(draw(1, 4), 1, 6)
    rows = draw(1, shape[0])
    return "ScatterND", [tensor(shape), {"shape": [rows, 1], "ints": list(range(rows))},
                         tensor([rows, *shape[1:]])], {}
