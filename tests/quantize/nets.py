"""Small networks with names that a test can follow: layer `a` has the weights `a.weight`, and its
convolution writes `a.conv`."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
LABELS = ["red", "green", "blue"]


class Net:
    """Every method adds nodes and returns the name of what they write."""

    def __init__(self, size=8, batch="N", opset=17, seed=0):
        self.size, self.batch, self.opset = size, batch, opset
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights = [], {}

    def constant(self, name, value):
        self.weights[name] = np.asarray(value)
        return name

    def op(self, kind, output, *inputs, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{output}.node", **attributes))
        return output

    def conv(self, layer, x, channels, outputs, kernel=3, bias=False, **attributes):
        scale = (channels * kernel * kernel) ** -0.5
        weights = self.random.normal(0, scale, (outputs, channels, kernel, kernel))
        inputs = [x, self.constant(f"{layer}.weight", weights.astype(np.float32))]
        if bias:
            values = self.random.normal(0, 0.3, outputs).astype(np.float32)
            inputs.append(self.constant(f"{layer}.bias", values))
        attributes.setdefault("pads", [kernel // 2] * 4)
        return self.op("Conv", f"{layer}.conv", *inputs, **attributes)

    def norm(self, layer, x, channels):
        values = [self.random.uniform(0.5, 1.5, channels), self.random.normal(0, 0.3, channels),
                  self.random.normal(0, 0.3, channels), self.random.uniform(0.5, 2, channels)]
        parts = ("scale", "shift", "mean", "variance")
        names = [self.constant(f"{layer}.{part}", value.astype(np.float32))
                 for part, value in zip(parts, values)]
        return self.op("BatchNormalization", f"{layer}.norm", x, *names, epsilon=1e-5)

    def clip(self, output, x):
        bounds = [self.constant(f"{output}.{i}", np.float32(i)) for i in (0, 1)]
        return self.op("Clip", output, x, *bounds)

    def gate(self, layer, x, channels, maps=1, kernel=3, **attributes):
        """Clip(0, 1) of a normalised LCCL branch."""
        branch = self.conv(f"{layer}.branch", x, channels, maps, kernel, **attributes)
        return self.clip(f"{layer}.gate", self.norm(f"{layer}.branch", branch, maps))

    def linear(self, layer, x, features, classes, alpha=1.0, beta=1.0, transposed=True):
        shape = (classes, features) if transposed else (features, classes)
        weights, bias = (self.random.normal(0, 0.5, extents).astype(np.float32)
                         for extents in (shape, classes))
        constants = self.constant(f"{layer}.weight", weights), self.constant(f"{layer}.bias", bias)
        return self.op("Gemm", "scores", x, *constants, transB=int(transposed), alpha=alpha, beta=beta)

    def head(self, x, channels):
        """Global pool, flatten, and the scores of LABELS."""
        pooled = self.op("GlobalAveragePool", "pooled", x)
        return self.linear("head", self.op("Flatten", "flat", pooled), channels, len(LABELS))

    def finish(self, output="scores"):
        image = helper.make_tensor_value_info(
            "image", TensorProto.FLOAT, [self.batch, 3, self.size, self.size])
        graph = helper.make_graph(
            self.nodes, "small", [image],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [self.batch, len(LABELS)])],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items()])
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="test")
        model.doc_string = "a remark"
        helper.set_model_props(model, {
            "sluice.mean": json.dumps(MEAN), "sluice.std": json.dumps(STD),
            "sluice.labels": json.dumps(LABELS), "sluice.network": "kept"})
        return model


def residual():
    """Two layers and a sum with the first one's output, all with batch norms."""
    net = Net()
    a = net.op("Relu", "a.relu", net.norm("a", net.conv("a", "image", 3, 5), 5))
    b = net.op("Relu", "b.relu", net.norm("b", net.conv("b", a, 5, 5), 5))
    c = net.norm("c", net.conv("c", b, 5, 5), 5)
    y = net.op("Relu", "sum.relu", net.op("Add", "sum", c, a))
    return net, net.head(y, 5)


def two_convolutions():
    """A sum of two convolutions: that of the shortcut comes first."""
    net = Net()
    a = net.op("Relu", "a.relu", net.conv("a", "image", 3, 5, bias=True))
    shortcut = net.norm("s", net.conv("s", a, 5, 7, kernel=1, strides=[2, 2]), 7)
    b = net.norm("b", net.conv("b", a, 5, 7, strides=[2, 2]), 7)
    return net, net.head(net.op("Relu", "sum.relu", net.op("Add", "sum", b, shortcut)), 7)


def gated(form, act=False, residual=False):
    """A first layer; then convolution, gate, batch norm, residual, ReLU."""
    net = Net()
    a = net.op("Relu", "a.relu", net.norm("a", net.conv("a", "image", 3, 6), 6))
    y = net.conv("b", a, 6, 6, bias=True)
    y = net.op("Relu", "b.act", y) if act else y
    if form == "position":
        y = net.op("Mul", "b.product", y, net.gate("b", a, 6))
    elif form == "element":
        y = net.op("Mul", "b.product", net.gate("b", a, 6, 6, 1), y)
    elif form == "tile":
        pooled = net.op("MaxPool", "b.pool", a, kernel_shape=[4, 4], strides=[4, 4])
        scales = net.constant("b.scales", np.array([1, 1, 4, 4], np.float32))
        maps = net.gate("b", pooled, 6, kernel=1)
        maps = net.op("Resize", "b.resized", maps, "", scales, mode="nearest",
                      coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        y = net.op("Mul", "b.product", y, maps)
    elif form == "group":
        ints = lambda name, *values: net.constant(name, np.array(values, np.int64))
        maps = net.op("Unsqueeze", "b.maps", net.gate("b", a, 6, 2, 1), ints("b.axis", 2))
        split = net.op("Reshape", "b.split", y, ints("b.groups", -1, 2, 3, 8, 8))
        product = net.op("Mul", "b.grouped", split, maps)
        y = net.op("Reshape", "b.product", product, ints("b.joined", -1, 6, 8, 8))
    y = net.norm("b", y, 6)
    y = net.op("Add", "b.sum", y, a) if residual else y
    return net, net.head(net.op("Relu", "b.relu", y), 6)
