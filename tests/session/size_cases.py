"""A network whose height and width are symbolic, at several sizes."""

import numpy as np

from net import RANDOM, Net

SIZES = ((13, 9), (20, 31))


def symbolic_network():
    """An encoder of stride 2, and its features scaled to the image's own size by a Resize whose sizes
    the graph computes, as exporters write it; beside them the mean of the image."""
    net = Net("N", 3, "H", "W", batch="N")
    features = net.op("Relu", net.conv("x", 3, 17, strides=[2, 2]))
    features = net.op("Relu", net.conv(features, 17, 20))
    shape = net.op("Shape", "x")
    sides = net.op("Slice", shape, net.ints(2), net.ints(4))
    outputs = net.op("Slice", net.op("Shape", features), net.ints(0), net.ints(2))
    sizes = net.op("Concat", outputs, sides, axis=0)
    enlarged = net.op("Resize", features, "", "", sizes, mode="linear",
                      coordinate_transformation_mode="half_pixel")
    scores = net.conv(enlarged, 20, 5, (1, 1))
    mean = net.op("ReduceMean", "x", axes=[1, 2, 3], keepdims=1)
    return net.finish(net.op("Add", scores, mean))


def size_cases():
    """(name, model, x): the same model at each of SIZES."""
    model = symbolic_network()
    for height, width in SIZES:
        yield (f"symbolic_{height}x{width}", model,
               RANDOM.uniform(-1, 1, (2, 3, height, width)).astype(np.float32))
