"""Edits of shapes, attributes, weights and names: the graph's edges stay.

Each takes a random generator and a model, changes the model in place, and does nothing where there
is nothing of its kind to change.
"""

from __future__ import annotations

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from draw import pick, some_node, some_number, some_weights
from tensors import array_of

MOST_ELEMENTS = 1 << 18
FLOATS = (0, -0.0, 1, -1, 0.5, 2, 1e-3, 1e-30, 1e-42, 1e30, 3.4e38, np.inf, -np.inf, np.nan)
FACTORS = (-1, 0.01, 100, 1e10)
TYPES = [*range(1, 13), TensorProto.BFLOAT16, TensorProto.INT4, 99]
KINDS = (np.float16, np.float64, np.int64, np.int32, np.float32)
STRINGS = """NOTSET VALID SAME_UPPER SAME_LOWER nearest linear cubic asymmetric half_pixel
    align_corners pytorch_half_pixel tf_crop_and_resize floor ceil round_prefer_floor
    round_prefer_ceil reflect edge constant""".split()
# ONNX does not say what other numbers than 0 and 1 mean.
FLAGS = """ceil_mode keepdims transA transB count_include_pad allowzero noop_with_empty_axes
    training_mode""".split()
ATTRIBUTES = [(flag, number) for flag in FLAGS for number in (0, 1)] + [
    ("axis", 0), ("axis", 1), ("axis", -1), ("axes", [1]), ("perm", [0, 2, 1, 3]), ("group", 2),
    ("dilations", [2, 2]), ("strides", [2, 2]), ("auto_pad", "SAME_UPPER"), ("auto_pad", "VALID"),
    ("alpha", 0.5), ("storage_order", 1), ("mode", "reflect"), ("to", 7), ("antialias", 1),
    ("exclude_outside", 1),
]  # fmt: skip
NAMES = ("", "x0", "v0", "w0", "a\nb", "../../etc", "ü" * 500, "input")
EXTERNAL = ("nothing.bin", "../x", "/dev/zero", "model.onnx")


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
    if not model.graph.input:
        return
    dims = pick(random, model.graph.input).type.tensor_type.shape.dim
    if random.random() < 0.5 and len(dims) > 0:
        del dims[int(random.integers(len(dims)))]
    else:
        dims.add().dim_value = int(pick(random, (1, 2, 3)))


def attribute(random, model):
    """Another value of the same type."""
    node = some_node(random, model)
    if node is None or not node.attribute:
        return
    a = pick(random, node.attribute)
    if a.type == AttributeProto.INT:
        a.i = int(not a.i) if a.name in FLAGS else some_number(random, a.i)
    elif a.type == AttributeProto.INTS and a.ints:
        at, form = int(random.integers(len(a.ints))), random.random()
        if form < 0.1:
            del a.ints[at]
        elif form < 0.2:
            a.ints.append(1)
        else:
            a.ints[at] = some_number(random, a.ints[at])
    elif a.type == AttributeProto.FLOAT:
        a.f = float(np.float32(pick(random, FLOATS)))
    elif a.type == AttributeProto.STRING:
        a.s = pick(random, [*STRINGS, "", "x" * 3000]).encode()


def attribute_set(random, model):
    """An attribute more, or less, or twice, or of another type."""
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
        value = pick(random, (1, 1.5, "text", [1, 2], [0.5]))
        a.CopyFrom(helper.make_attribute(a.name, value))
    else:
        name, value = pick(random, ATTRIBUTES)
        kept = [a for a in node.attribute if a.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])


def weights_data(random, model):
    """A value, a whole tensor at once, or an extent of a shape."""
    tensor = some_weights(random, model)
    array = None if tensor is None else array_of(tensor)
    if array is None or array.size == 0:
        return
    at = int(random.integers(array.size))
    if array.dtype == np.int64:
        array.flat[at] = some_number(random, int(array.flat[at]))
    elif array.dtype == np.float32:
        form = random.random()
        with np.errstate(over="ignore"):
            if form < 0.3:
                array[...] = np.float32(pick(random, (0, 0, 1, -1, 1e-20, 1e4)))
            elif form < 0.5:
                array *= np.float32(pick(random, FACTORS))
            else:
                array.flat[at] = np.float32(pick(random, FLOATS))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def weights_shape(random, model):
    """Data cut off, extents that do not fit the data, or both changed alike."""
    tensor = some_weights(random, model)
    if tensor is None:
        return
    form = random.random()
    if form < 0.3 and tensor.raw_data:
        tensor.raw_data = tensor.raw_data[: int(random.integers(len(tensor.raw_data) + 1))]
    elif form < 0.6 and tensor.dims:
        at = int(random.integers(len(tensor.dims)))
        tensor.dims[at] = some_number(random, tensor.dims[at])
    elif form < 0.8:
        array = array_of(tensor)
        if array is not None and array.ndim and 0 < array.size <= MOST_ELEMENTS:
            axis = int(random.integers(array.ndim))
            twice = random.random() < 0.5
            array = np.repeat(array, 2, axis) if twice else np.take(array, [0], axis)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    elif random.random() < 0.5:
        tensor.dims.append(1)
    elif tensor.dims:
        del tensor.dims[-1]


def weights_type(random, model):
    """Another type's number, data in another file, or the values in another type."""
    tensor = some_weights(random, model)
    if tensor is None:
        return
    form = random.random()
    if form < 0.3:
        tensor.data_type = pick(random, TYPES)
    elif form < 0.5:
        tensor.data_location = TensorProto.EXTERNAL
        numbers = [str(pick(random, (0, 1, 4, -1, 2**62))) for _ in range(2)]
        for key, value in zip(("location", "offset", "length"), (pick(random, EXTERNAL), *numbers)):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    else:
        array, kind = array_of(tensor), pick(random, KINDS)
        if array is not None:
            with np.errstate(all="ignore"):
                tensor.CopyFrom(numpy_helper.from_array(array.astype(kind), tensor.name))


def names(random, model):
    node, form, name = some_node(random, model), random.random(), pick(random, NAMES)
    if form < 0.4 and node is not None:
        node.name = name
    elif form < 0.5 and node is not None and node.output:
        node.output[0] = name
    elif form < 0.7 and model.graph.initializer:
        pick(random, model.graph.initializer).name = name
    elif form < 0.85 and model.graph.input:
        pick(random, model.graph.input).name = name
    elif model.graph.output:
        pick(random, model.graph.output).name = name


def versions(random, model):
    form = random.random()
    if form < 0.7 and model.opset_import:
        model.opset_import[0].version = int(pick(random, (0, 9, 12, *range(13, 25), 2**40)))
    elif form < 0.8:
        model.ir_version = int(pick(random, (0, 3, 7, 10, 99)))
    elif form < 0.9:
        model.opset_import.add().domain = "com.microsoft"
    else:
        entry = model.metadata_props.add()
        entry.key = pick(random, ("sluice.mean", "sluice.labels", ""))
        entry.value = pick(random, ("[", "[1]", "x" * 999))


DATA_EDITS = (
    input_shape, input_shape, input_rank, attribute, attribute, attribute, attribute_set,
    weights_data, weights_data, weights_shape, weights_type, names, versions,
)  # fmt: skip
