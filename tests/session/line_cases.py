"""Networks of one dimension, [N, C, L]: convolutions, pools and what follows them."""

import numpy as np

from net import RANDOM, Net


def conv(net, x, channels, outputs, kernel, groups=1, kind="Conv", **attributes):
    shape = (outputs, channels // groups) if kind == "Conv" else (channels, outputs // groups)
    scale = 3 / np.sqrt(channels // groups * kernel)
    weights = net.random(*shape, kernel, low=-scale, high=scale)
    return net.op(kind, x, weights, net.random(outputs), group=groups, **attributes)


def line_cases():
    for channels, outputs, length in ((1, 4, 40), (16, 16, 33), (6, 20, 12)):
        net = Net(1, channels, length)
        x = net.op("Relu", net.batch_norm(conv(net, "x", channels, outputs, 5, pads=[2, 2]), outputs))
        y = conv(net, x, outputs, outputs, 3, outputs, pads=[2, 2], dilations=[2])
        y = net.op("Add", net.op("Relu", y), x)
        y = net.op("MaxPool", y, kernel_shape=[3], strides=[2], pads=[1, 1])
        y = conv(net, y, outputs, 7, 4, strides=[2], auto_pad="SAME_UPPER")
        y = net.op("Mul", y, net.random(7, 1))
        yield f"line_{channels}", (net.finish(net.op("Flatten", net.op("GlobalAveragePool", y))),
                                   (1, channels, length))
    net = Net(1, 8, 10)
    y = conv(net, "x", 8, 6, 4, kind="ConvTranspose", strides=[2], pads=[1, 1], output_padding=[1])
    y = net.op("AveragePool", net.op("Relu", y), kernel_shape=[3], strides=[1], pads=[1, 0])
    yield "line_transposed", (net.finish(net.op("Add", y, net.random(1, 6, 1))), (1, 8, 10))
    net = Net(1, 4, 9)  # values that something else reads as lines, and outputs
    a = conv(net, "x", 4, 4, 3, pads=[1, 1])
    b = net.op("Transpose", a, perm=[0, 2, 1])
    c = conv(net, net.op("Softmax", a, axis=2), 4, 4, 3, pads=[1, 1])
    c = net.op("Add", c, net.op("Transpose", b, perm=[0, 2, 1]))
    yield "line_mixed", (net.finish(net.op("Sub", c, a)), (1, 4, 9))
    net = Net(3, 5, 11, batch=3)
    y = net.op("Relu", conv(net, "x", 5, 9, 3))
    yield "line_batch", (net.finish(net.op("MaxPool", y, kernel_shape=[2])), (3, 5, 11))
