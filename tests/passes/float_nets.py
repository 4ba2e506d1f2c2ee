"""Small float networks with gates of every form, with random weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(18)
IMAGE = (1, 3, 9, 8)


class Net:
    """Builds a float network, layer by layer; each method returns the name of what it gives."""

    def __init__(self, image=IMAGE):
        self.nodes, self.weights, self.channels = [], {}, {"x": image[1]}
        self.image = image

    def add(self, op, inputs, channels=None, **attributes):
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        self.channels[name] = channels or self.channels[inputs[0]]
        return name

    def constant(self, array):
        name = f"c{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def conv(self, x, maps, kernel=3, stride=1, relu=True, bias=True, groups=1, pads=None):
        channels = self.channels[x] // groups
        spread = (2 / (channels * kernel * kernel)) ** 0.5
        weights = RANDOM.normal(0, spread, (maps, channels, kernel, kernel)).astype(np.float32)
        inputs = [x, self.constant(weights)]
        if bias:
            inputs.append(self.constant(RANDOM.normal(0, 0.2, maps).astype(np.float32)))
        y = self.add("Conv", inputs, maps, kernel_shape=[kernel] * 2, strides=[stride] * 2,
                     pads=pads or [kernel // 2] * 4, group=groups)
        return self.relu(y) if relu else y

    def relu(self, x):
        return self.add("Relu", [x])

    def clip(self, x, low=0.0, high=1.0):
        bounds = [self.constant(np.float32(bound)) for bound in (low, high)]
        return self.add("Clip", [x, *bounds])

    def pool(self, x):
        return self.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def classes(self, x, count=5):
        mean = self.add("Flatten", [self.add("GlobalAveragePool", [x])])
        weights = RANDOM.normal(0, 0.5, (count, self.channels[x])).astype(np.float32)
        bias = self.constant(RANDOM.normal(0, 0.2, count).astype(np.float32))
        return self.add("Gemm", [mean, self.constant(weights), bias], count, transB=1)

    def model(self, y):
        self.nodes.append(helper.make_node("Identity", [y], ["y"], "last"))
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.image)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)


def resnet():
    net = Net()
    x = net.pool(net.conv("x", 6))
    y = net.conv(net.conv(x, 6), 6, relu=False)
    x = net.relu(net.add("Add", [y, x]))
    y = net.conv(net.conv(x, 10, stride=2), 10, relu=False)
    x = net.relu(net.add("Add", [y, net.conv(x, 10, 1, 2, relu=False)]))
    return net.model(net.classes(x))


def gated(maps):
    """A block whose second convolution is gated, with as many maps of gates."""
    net = Net()
    x = net.conv("x", 8)
    y = net.conv(x, 8)
    gate = net.clip(net.conv(y, maps, 3 if maps == 1 else 1, relu=False))
    y = net.conv(y, 8, relu=False)
    if 1 < maps < 8:
        shape = [0, maps, 8 // maps, 9, 8]
        y = net.add("Reshape", [y, net.constant(np.array(shape))], 8)
        wide = net.add("Unsqueeze", [gate, net.constant(np.array([2]))])
        y = net.add("Mul", [y, wide])
        y = net.add("Reshape", [y, net.constant(np.array([0, 8, 9, 8]))], 8)
    else:
        y = net.add("Mul", [y, gate])
    x = net.relu(net.add("Add", [y, x]))
    return net.model(net.classes(x))


def normalised():
    """A gate before the normalisation and the activation, as networks with pre-activation have."""
    net = Net()
    x = net.conv("x", 8)
    gate = net.clip(net.conv(x, 1, relu=False))
    y = net.add("Mul", [net.conv(x, 8, relu=False), gate])
    spread = [RANDOM.uniform(low, 1.5, 8).astype(np.float32) for low in (-0.5, -1, -1, 0.5)]
    y = net.relu(net.add("BatchNormalization", [y, *map(net.constant, spread)]))
    return net.model(net.classes(net.conv(y, 6)))


def tiles():
    """A gate for every 4x4 outputs, and the gated convolution's activation before the gate."""
    net = Net((1, 3, 8, 8))
    x = net.conv("x", 8)
    coarse = net.add("MaxPool", [x], kernel_shape=[4, 4], strides=[4, 4])
    gate = net.clip(net.conv(coarse, 1, 1, relu=False))
    gate = net.add("Resize", [gate, "", net.constant(np.array([1, 1, 4, 4], np.float32))],
                   mode="nearest", coordinate_transformation_mode="asymmetric",
                   nearest_mode="floor")
    y = net.add("Mul", [net.conv(x, 8), gate])
    return net.model(net.classes(y))


def mixed():
    """Averages, an Add of two pooled maps, Concat, and a Resize that int8 has no kernel of."""
    net = Net((1, 3, 8, 8))
    x = net.conv("x", 6)
    a = net.add("AveragePool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    b = net.add("MaxPool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    s = net.add("Add", [a, b])
    c = net.add("Concat", [s, net.conv(x, 4)], 10, axis=1)
    c = net.conv(c, 6, 1)
    up = net.add("Resize", [c, "", net.constant(np.array([1, 1, 2, 2], np.float32))], mode="linear")
    return net.model(net.classes(net.conv(up, 5)))


def gate_of_block(net, x, grain, stride):
    """Per position, for every grain x grain outputs, or (0) for the whole map."""
    if grain == 0:
        return net.clip(net.conv(net.add("GlobalAveragePool", [x]), 1, 1, relu=False))
    if grain == 1:
        return net.clip(net.conv(x, 1, stride=stride, relu=False))
    side = [grain * stride] * 2
    pooled = net.add("MaxPool", [x], kernel_shape=side, strides=side, ceil_mode=1)
    return net.clip(net.conv(pooled, 1, relu=False))


def times(net, y, gate, by):
    """y times the gate, each value of which is for by x by outputs or, by itself, for all."""
    if by > 1:
        scales = net.constant(np.array([1, 1, by, by], np.float32))
        gate = net.add("Resize", [gate, "", scales], mode="nearest", nearest_mode="floor",
                       coordinate_transformation_mode="asymmetric")
    return net.add("Mul", [y, gate])


def block(grain, kernels, stride=1):
    """A residual block, all convolutions of which are under one gate, between two layers."""
    net = Net((1, 3, 16, 8))
    x = net.conv("x", 8)
    gate = gate_of_block(net, x, grain, stride)
    y, before = x, stride
    for place, kernel in enumerate(kernels):
        is_last = place == len(kernels) - 1
        step = before if kernel == 3 else 1
        before //= step
        y = net.conv(y, 12 if is_last and stride > 1 else 8, kernel, step, relu=not is_last)
        y = times(net, y, gate, grain * before)
    shortcut = x if stride == 1 else net.conv(x, 12, 1, stride, relu=False)
    return net.model(net.classes(net.conv(net.relu(net.add("Add", [y, shortcut])), 6)))


def mobile(high):
    """Inverted residuals as MobileNetV2 and EfficientNet-Lite have them: activations up to `high`,
    depthwise layers of 3x3 and 5x5 windows, of strides 1 and 2 and pads as both frameworks put them,
    and one of several outputs per channel."""
    net = Net((1, 3, 17, 15))

    def conv(x, maps, *window, **attributes):
        return net.clip(net.conv(x, maps, *window, relu=False, **attributes), high=high)

    x = conv("x", 10, 3, 2, pads=[0, 0, 1, 1])
    y = conv(conv(x, 33, 1), 33, 3, groups=33)
    x = net.add("Add", [x, net.conv(y, 10, 1, relu=False)])
    y = conv(conv(x, 20, 1), 20, 5, 2, groups=20, pads=[1, 2, 2, 1])
    y = conv(net.conv(y, 12, 1, relu=False), 24, 5, groups=12)
    return net.model(net.classes(conv(y, 16, 1)))


def gated_depthwise(maps):
    """A depthwise layer with as many maps of gates, between two layers."""
    net = Net()
    x = net.conv("x", 12)
    gate = net.clip(net.conv(x, maps, 3 if maps == 1 else 1, relu=False))
    y = net.add("Mul", [net.conv(x, 12, groups=12), gate])
    return net.model(net.classes(net.conv(y, 6)))
