"""Networks of operators that the passes write as others, or that copy, reduce and multiply."""

import numpy as np

from net import RANDOM, Net


def after_conv(build, shape=(1, 17, 9, 7), opset=17, channels=None):
    """What `build` adds behind a convolution, so that it meets padded lanes."""
    net = Net(*shape, opset=opset)
    x = net.conv("x", shape[1], channels or shape[1])
    return net.finish(build(net, x)), shape


def named(op, *weights, **attributes):
    return lambda net, x: net.op(op, x, *[net.weight(w) if w is not None else "" for w in weights],
                                 **attributes)


def reductions():
    for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"):
        for axes in ([1], [2], [3], [1, 2], [2, 3], [1, 3], [1, 2, 3]):
            for keep in (0, 1):
                name = f"{op}_{''.join(map(str, axes))}_{keep}"
                if op == "ReduceSum":
                    yield name, after_conv(named(op, np.array(axes), keepdims=keep))
                else:
                    yield name, after_conv(named(op, axes=axes, keepdims=keep))
    yield "ReduceMean_c16", after_conv(named("ReduceMean", axes=[1]), shape=(1, 16, 9, 7))
    yield "ReduceMean_all_c3", after_conv(named("ReduceMean", axes=[-1, -2, -3]), shape=(1, 3, 9, 7))
    yield "ReduceMax_one", after_conv(named("ReduceMax", axes=[1]), shape=(1, 1, 4, 3))
    yield "reduce_rank5", after_conv(
        lambda net, x: net.op("ReduceMean", net.op("Reshape", x, net.ints(1, 2, 6, 9, 7)),
                              axes=[2, 4]), shape=(1, 12, 9, 7))


def part(net, x, op, *more, outputs, **attributes):
    """The outputs of one node."""
    from onnx import helper
    names = [f"p{len(net.nodes)}_{i}" for i in range(outputs)]
    net.nodes.append(helper.make_node(op, [x, *more], names, f"n{len(net.nodes)}", **attributes))
    return names


def split_cases():
    def halves(net, x):
        a, b = part(net, x, "Split", net.ints(5, 12), outputs=2, axis=1)
        return net.op("Concat", net.conv(b, 12, 4), a, axis=1)
    yield "split", after_conv(halves)

    def rows(net, x):
        a, b, c = part(net, x, "Split", outputs=3, axis=-2)
        return net.op("Sub", c, a)
    yield "split_rows", after_conv(rows)


def copies():
    for mode in ("DCR", "CRD"):
        for side, channels in ((2, 12), (3, 27)):
            yield f"depth_to_space_{mode}_{side}", after_conv(
                named("DepthToSpace", blocksize=side, mode=mode), shape=(1, channels, 5, 4))
    yield "space_to_depth", after_conv(named("SpaceToDepth", blocksize=2), shape=(1, 5, 6, 8))
    for mode in ("reflect", "edge"):
        for pads in ([0, 0, 2, 1, 0, 0, 3, 2], [0, 0, 0, 3, 0, 0, 0, 0], [0, 2, 1, 1, 0, 3, 0, 1]):
            yield f"pad_{mode}_{pads[1]}{pads[2]}{pads[3]}", after_conv(
                named("Pad", np.array(pads), mode=mode), shape=(1, 5, 5, 6))
    yield "pad_crop_reflect", after_conv(
        named("Pad", np.array([0, 0, -1, 2, 0, 0, 2, -1]), mode="reflect"), shape=(1, 5, 5, 6))
    yield "pad_wrap", after_conv(named("Pad", np.array([0, 0, 2, 1, 0, 0, 3, 2]), mode="wrap"),
                                 shape=(1, 5, 5, 6), opset=19)
    yield "tile", after_conv(named("Tile", np.array([1, 2, 1, 3])))
    yield "tile_one", after_conv(lambda net, x: net.op(
        "Tile", net.op("GlobalAveragePool", x), net.ints(1, 1, 9, 7)))
    for name, indices, axis in (("scalar", np.array(2), 1), ("list", np.array([0, 1, 2]), 1),
                                ("back", np.array([-1, 3, 4, 0]), 2), ("table", np.array([[1, 0]]), 3)):
        yield f"gather_{name}", after_conv(named("Gather", indices, axis=axis))
    yield "transpose_5", after_conv(lambda net, x: net.op("Reshape", net.op(
        "Transpose", net.op("Reshape", x, net.ints(1, 2, 3, 2, 4, 5)), perm=[0, 2, 4, 1, 5, 3]),
        net.ints(1, 12, 4, 5)), shape=(1, 12, 4, 5))
    yield "shuffle", after_conv(lambda net, x: net.op("Reshape", net.op(
        "Transpose", net.op("Reshape", x, net.ints(1, 3, 4, 9, 7)), perm=[0, 2, 1, 3, 4]),
        net.ints(1, 12, 9, 7)), shape=(1, 12, 9, 7))


def normalisations():
    def vectors(net, count):
        return net.random(count), net.random(count)
    for size in (1, 3, 5):
        yield f"lrn_{size}", after_conv(named("LRN", size=size, alpha=0.5, beta=0.75, bias=1.5))
    yield "lrn_beta", after_conv(named("LRN", size=3, alpha=0.1, beta=0.6))
    yield "instance", after_conv(lambda net, x: net.op("InstanceNormalization", x, *vectors(net, 17)))
    yield "group", after_conv(lambda net, x: net.op(
        "GroupNormalization", x, *vectors(net, 12), num_groups=3), shape=(1, 12, 9, 7), opset=21)
    yield "layer_last", after_conv(lambda net, x: net.op("LayerNormalization", x, *vectors(net, 7)))
    yield "layer_all", after_conv(lambda net, x: net.op(
        "LayerNormalization", x, net.random(17, 9, 7), net.random(17, 9, 7), axis=1))

    def channels_last(net, x):
        turned = net.op("Transpose", x, perm=[0, 2, 3, 1])
        y = net.op("LayerNormalization", turned, *vectors(net, 17), epsilon=1e-6)
        y = net.op("MatMul", y, net.random(17, 40))
        return net.op("Transpose", net.op("Add", y, net.random(40)), perm=[0, 3, 1, 2])
    yield "layer_channels_last", after_conv(channels_last)
    yield "log_softmax", after_conv(named("LogSoftmax", axis=1))
    yield "global_max_pool", after_conv(named("GlobalMaxPool"))


def products():
    def attention(heads, size):
        def build(net, x):
            tokens = net.op("Transpose", net.op("Reshape", x, net.ints(1, heads, size, -1)),
                            perm=[0, 1, 3, 2])
            scores = net.op("MatMul", tokens, net.op("Transpose", tokens, perm=[0, 1, 3, 2]))
            return net.op("MatMul", net.op("Softmax", scores, axis=-1), tokens)
        return build
    for heads, size in ((1, 16), (2, 8), (4, 5)):
        yield f"attention_{heads}", after_conv(attention(heads, size), shape=(1, heads * size, 6, 4))
    for inputs, outputs, rows in ((7, 3, 5), (16, 32, 20), (33, 17, 9)):
        yield f"mat_mul_3_{inputs}", after_conv(
            lambda net, x, i=inputs, o=outputs: net.op(
                "MatMul", net.op("Reshape", x, net.ints(1, -1, i)), net.random(i, o)),
            shape=(1, inputs, rows, 1))
        yield f"mat_mul_4_{inputs}", after_conv(
            lambda net, x, o=outputs: net.op("MatMul", x, net.random(x_width(net), o)),
            shape=(1, 5, rows, inputs))
    yield "mat_mul_left", after_conv(lambda net, x: net.op("MatMul", net.random(11, 9), x))
    yield "mat_mul_wide", after_conv(lambda net, x: net.op("MatMul", x, net.random(1, 17, 7, 6)))


def x_width(net):
    return net.shape[3]


def resizes():
    for coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
        for outside in (0, 1):
            yield f"resize_cubic_{coordinates}_{outside}", after_conv(
                named("Resize", None, np.array([1, 1, 1.7, 0.6], np.float32), mode="cubic",
                      coordinate_transformation_mode=coordinates, exclude_outside=outside,
                      cubic_coeff_a=-0.5 if outside else -0.75))
    for mode in ("nearest", "linear", "cubic"):
        yield f"resize_symmetric_{mode}", after_conv(
            named("Resize", None, np.array([1, 1, 2.3, 0.7], np.float32), mode=mode,
                  coordinate_transformation_mode="half_pixel_symmetric"), opset=19)

    def flat(net, x):
        vector = net.op("Reshape", net.op("GlobalAveragePool", x), net.ints(-1))
        return net.op("Gather", vector, net.weight(np.arange(17).reshape(1, 17, 1, 1)))
    yield "gather_all", after_conv(flat)


def opset_cases():
    def old(net, x):
        return net.op("Softmax", x)
    yield "opset7_softmax", after_conv(old, opset=7)
    yield "opset11_log_softmax", after_conv(named("LogSoftmax", axis=2), opset=11)
    yield "opset11_softmax_rows", after_conv(named("Softmax", axis=2), opset=11)
    yield "opset7_clip", after_conv(named("Clip", min=-0.2, max=0.3), opset=7)
    yield "opset9_slice", after_conv(named("Slice", starts=[1, 0], ends=[5, -1], axes=[2, 3]), opset=9)
    yield "opset9_pad", after_conv(named("Pad", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=0.5), opset=9)
    for mode in ("nearest", "linear"):
        yield f"opset7_upsample_{mode}", after_conv(
            named("Upsample", scales=[1.0, 1.0, 2.0, 3.0], mode=mode), opset=7)
        yield f"opset9_upsample_{mode}", after_conv(
            named("Upsample", np.array([1, 1, 2, 3], np.float32), mode=mode), opset=9)
        yield f"opset10_resize_{mode}", after_conv(
            named("Resize", np.array([1, 1, 2, 0.5], np.float32), mode=mode), opset=10)
    yield "opset11_squeeze", after_conv(lambda net, x: net.op("Unsqueeze", net.op(
        "Squeeze", net.op("GlobalAveragePool", x), axes=[2, 3]), axes=[1]), opset=11)
    yield "opset7_dropout", after_conv(named("Dropout", ratio=0.5), opset=7)
    yield "opset11_split", after_conv(lambda net, x: net.op("Sub", *part(
        net, x, "Split", outputs=2, axis=1, split=[6, 6])), shape=(1, 12, 9, 7), opset=11)


def scatters():
    """`out[:, first:end] += y` of PyTorch, as its dynamo exporter writes it."""
    def added(first, end, axis):
        def build(net, x):
            swap = [0, 1, 2, 3]
            swap[0], swap[axis] = axis, 0
            part = net.op("Slice", x, net.ints(first), net.ints(end), net.ints(axis))
            sum_ = net.op("Add", part, net.op("Relu", part))
            rows = net.weight(np.arange(first, end).reshape(-1, 1))
            turned = [net.op("Transpose", v, perm=swap) for v in (x, sum_)]
            out = net.op("Transpose", net.op("ScatterND", turned[0], rows, turned[1]), perm=swap)
            return net.conv(out, 17, 17)
        return build
    for first, end, axis in ((0, 5, 1), (4, 17, 1), (3, 8, 1), (0, 17, 1), (2, 6, 2), (6, 7, 3)):
        yield f"scatter_{axis}_{first}_{end}", after_conv(added(first, end, axis), opset=18)


def operator_cases():
    for cases in (reductions, split_cases, copies, normalisations, products, resizes, opset_cases,
                  scatters):
        for name, case in cases():
            yield f"op_{name}", case
