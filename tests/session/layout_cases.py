"""Networks whose values lie in memory in unusual ways: one channel, aliases, crops, batches.

Each generator yields (name, model, x); ONNX Runtime's outputs are added by make_cases.py.
"""

import numpy as np

from net import RANDOM, Net


def draw(*shape):
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def one_channel_cases():
    """Arithmetic whose output is [1, 1, H, W], by operands of every form that broadcasts to it."""
    sizes = ((5, 7), (1, 9), (9, 1), (1, 1), (16, 16), (331, 311))
    forms = {
        "map": lambda net, y, h, w: net.conv("x", 2, 1),
        "itself": lambda net, y, h, w: y,
        "mean": lambda net, y, h, w: net.op("GlobalAveragePool", y),
        "column": lambda net, y, h, w: net.op("MaxPool", y, kernel_shape=[1, w]),
        "weights": lambda net, y, h, w: net.random(h, w, low=0.5, high=2.0),
        "row": lambda net, y, h, w: net.random(1, 1, 1, w, low=0.5, high=2.0),
    }
    for number, (h, w) in enumerate(sizes):
        for i, kind in enumerate(("Add", "Sub", "Mul", "Div")):
            for j, (form, operand) in enumerate(forms.items()):
                if number > 0 and (i + j + number) % 4 > 0:
                    continue
                net = Net(1, 2, h, w)
                y = net.op("Relu", net.conv("x", 2, 1))
                other = operand(net, y, h, w)
                if kind == "Div" and form not in ("weights", "row"):  # by no less than 0.5
                    other = net.op("Add", net.op("Relu", other), net.weight(np.float32(0.5)))
                pair = (other, y) if kind == "Sub" else (y, other)
                yield f"one_channel_{kind}_{form}_{h}x{w}", net.finish(net.op(kind, *pair)), draw(1, 2, h, w)
    net = Net(1, 3, 8, 9)  # luminance and its negative
    grey = net.conv("x", 3, 1, (1, 1))
    small = net.op("Sub", net.op("MaxPool", grey, kernel_shape=[3, 3], pads=[1] * 4), grey)
    yield "one_channel_outlines", net.finish(net.conv(small, 1, 4), small), draw(1, 3, 8, 9)


def stride_cases():
    """Layers of stride 2 and few channels, which resemble windows over the phases of others."""
    for kernel in (3, 4, 5, 6, 7, 8):
        for channels in (3, 4, 8, 16):
            for is_input in (True, False):
                net = Net(1, channels, 18, 20)
                x = "x" if is_input else net.op("Relu", "x")
                y = net.conv(x, channels, 16, (kernel, kernel), strides=[2, 2])
                yield (f"stride_{kernel}x{kernel}_c{channels}_{'input' if is_input else 'value'}",
                       net.finish(y), draw(1, channels, 18, 20))


def alias_cases():
    """Outputs that share their memory with the value that a padded convolution's input is."""
    kinds = {
        "identity": lambda net, y: net.op("Identity", y),
        "cast": lambda net, y: net.op("Cast", y, to=1),
        "dropout": lambda net, y: net.op("Dropout", y, net.weight(np.float32(0.3)),
                                         net.weight(np.array(False))),
        "chain": lambda net, y: net.op("Identity", net.op("Cast", net.op("Identity", y), to=1)),
    }
    for channels in (1, 3, 16):
        sources = {
            "input": lambda net: "x",
            "conv": lambda net: net.conv("x", channels, channels),
            "slice": lambda net: net.op("Slice", "x", net.ints(1), net.ints(9), net.ints(2), net.ints(2)),
            "reshape": lambda net: net.op("Reshape", "x", net.ints(1, channels, 11, 10)),
            "pool": lambda net: net.op("MaxPool", "x", kernel_shape=[2, 2]),
        }
        for source, make in sources.items():
            for kind, alias in kinds.items():
                net = Net(1, channels, 10, 11)
                y = alias(net, make(net))
                z = net.conv(y, channels, 5, (5, 3), pads=[4, 1, 0, 2])
                yield f"alias_{kind}_{source}_c{channels}", net.finish(y, z), draw(1, channels, 10, 11)
    net = Net(1, 6, 9, 8)  # both ends of a chain are outputs, and each has readers of its own
    a = net.op("Relu", net.conv("x", 6, 6))
    b = net.op("Identity", a)
    c = net.op("Cast", b, to=1)
    yield "alias_of_alias", net.finish(net.conv(a, 6, 4), b, net.conv(b, 6, 4, (7, 7)), c,
                                       net.conv(c, 6, 4, (1, 5))), draw(1, 6, 9, 8)
    net = Net(1, 16, 9, 8)  # as a gate, and as a residual
    x = net.op("Relu", net.conv("x", 16, 16))
    gate, rest = net.op("Identity", net.op("Relu", net.conv(x, 16, 1))), net.op("Identity", x)
    y = net.op("Add", net.op("Mul", net.conv(rest, 16, 16), gate), rest)
    yield "alias_gate_residual", net.finish(gate, rest, y), draw(1, 16, 9, 8)
    net = Net(1, 5, 9, 8)
    each = net.op("Identity", net.op("Relu", net.conv("x", 5, 5, (1, 1))))
    yield "alias_element_gate", net.finish(net.op("Mul", net.conv("x", 5, 5), each), each), draw(1, 5, 9, 8)


def pad_cases():
    """Pads and crops of every axis in all combinations, some larger than what they leave."""
    made = 0
    while made < 60:
        shape = [int(e) for e in RANDOM.integers(1, 7, 3)]
        pads = RANDOM.integers(-6, 7, (2, 3)) * RANDOM.integers(0, 2, (2, 3))
        if (shape + pads.sum(axis=0) < 1).any():
            continue
        net = Net(1, *shape)
        x = net.op("Relu", net.conv("x", shape[0], shape[0])) if made % 2 else "x"
        value = np.float32((0, 1.5, -2.5)[made % 3])
        y = net.op("Pad", x, net.ints(0, *pads[0], 0, *pads[1]), net.weight(value))
        outputs = [y]
        if value == 0:  # and then by the convolution
            channels = int(shape[0] + pads[:, 0].sum())
            outputs = [net.conv(y, channels, 3)] if made % 4 else [y, net.conv(y, channels, 3)]
        yield f"pad_{made}", net.finish(*outputs), draw(1, *shape)
        made += 1
    net = Net(1, 4)
    yield "pad_row", net.finish(net.op("Pad", "x", net.ints(0, 5, 0, -7))), draw(1, 4)


def extent(net, axis):
    return net.op("Gather", net.op("Shape", "x"), net.ints(axis))


def batch_cases():
    """Batches that every node keeps apart."""
    def case(name, make, *shape):
        net = Net(3, *shape, batch=3)
        return f"batch_{name}", net.finish(make(net)), draw(3, *shape)

    shape = (4, 5, 6)
    yield case("flatten", lambda net: net.op("Flatten", "x", axis=1), *shape)
    yield case("open", lambda net: net.op("Reshape", "x", net.ints(-1, 120)), *shape)
    yield case("copied", lambda net: net.op("Reshape", "x", net.ints(0, 5, 24)), *shape)
    yield case("computed", lambda net: net.op("Reshape", "x", net.op(
        "Concat", extent(net, 0), net.ints(-1), extent(net, 3), axis=0)), *shape)
    yield case("sliced", lambda net: net.op("Slice", "x", net.ints(0, 1), net.op(
        "Concat", extent(net, 0), net.ints(3), axis=0), net.ints(0, 1)), *shape)
    yield case("expanded", lambda net: net.op("Add", "x", net.op(
        "Expand", net.random(1, 4, 1, 1), net.op("Shape", "x"))), *shape)
    yield case("transposed", lambda net: net.op("Transpose", "x", perm=[0, 3, 1, 2]), *shape)
    yield case("softmax", lambda net: net.op("Softmax", "x", axis=1), *shape)
    yield case("resized", lambda net: net.op("Resize", "x", "", "", net.op(
        "Concat", extent(net, 0), extent(net, 1), net.ints(7, 9), axis=0), mode="nearest"), *shape)
    yield case("matrix", lambda net: net.op("MatMul", "x", net.random(30, 7)), 30)
    yield case("one_by_one", lambda net: net.op("Mul", net.op("Relu", "x"), "x"), 1, 5, 7)


def fraction_cases():
    """Resizes whose extents and ties depend on float32: 20 * 0.7 is 14, and 13.9999998 in float64."""
    coordinates = ("half_pixel", "asymmetric", "pytorch_half_pixel", "align_corners")
    roundings = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    x = np.arange(1 * 3 * 20 * 5, dtype=np.float32).reshape(1, 3, 20, 5)
    for place in coordinates:
        for rounding in (*roundings, None):
            mode = {"mode": "nearest", "nearest_mode": rounding} if rounding else {"mode": "linear"}
            for height, width in ((0.7, 0.4), (1.7, 0.9), (2.3, 2.5)):
                net = Net(1, 3, 20, 5)
                scales = net.weight(np.array([1, 1, height, width], np.float32))
                y = net.op("Resize", "x", "", scales, coordinate_transformation_mode=place, **mode)
                yield f"fraction_{place}_{rounding}_{height}", net.finish(y), x


def mixing_cases():
    """Networks that mix the images of a batch, or read of how many there are; right at 1."""
    def case(name, make, *shape):
        net = Net(1, *shape, batch=1)
        return f"mixing_{name}", net.finish(make(net)), draw(3, *shape)

    shape = (4, 5, 6)
    number = lambda net: net.op("Cast", extent(net, 0), to=1)
    yield case("reshape", lambda net: net.op("Reshape", "x", net.ints(1, -1)), *shape)
    yield case("reshape_fixed", lambda net: net.op("Reshape", "x", net.ints(1, 20, 6)), *shape)
    yield case("flatten", lambda net: net.op("Flatten", "x", axis=0), *shape)
    yield case("one_map", lambda net: net.op("Relu", net.op(
        "Reshape", "x", net.ints(1, 1, -1, 6))), *shape)
    yield case("slice", lambda net: net.op("Slice", "x", net.ints(0), net.ints(1), net.ints(0)), *shape)
    yield case("times_batch", lambda net: net.op("Mul", "x", number(net)), *shape)
    yield case("over_batch", lambda net: net.op("Div", "x", number(net)), *shape)
    yield case("row_of_batch", lambda net: net.op("Slice", "x", net.op(
        "Sub", extent(net, 0), net.ints(1)), net.op("Add", extent(net, 0), net.ints(1)), net.ints(2)), *shape)
    yield case("two_flattens", lambda net: net.op(
        "Flatten", net.op("Flatten", "x", axis=0), axis=0), *shape)


def layout_cases():
    for cases in (one_channel_cases, stride_cases, alias_cases, pad_cases, batch_cases):
        yield from cases()
