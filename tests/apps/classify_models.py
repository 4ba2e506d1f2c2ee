"""Small ONNX models for the tests of apps/classify, good and bad."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array, np.float32), name)


def model(nodes, constants=(), inputs=(("input", ["N", 3, 8, 8]),),
          outputs=(("scores", ["N", 3]),), metadata=None, check=True):
    graph = helper.make_graph(nodes, "net", [value(*i) for i in inputs],
                              [value(*o) for o in outputs], list(constants))
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(result, metadata or {})
    if check:
        onnx.checker.check_model(result)
    return result


def mean_colour(shape=("N", 3, 8, 8), classes=3, metadata=None):
    """Scores are the means of the channels: the class is the strongest colour."""
    nodes = [helper.make_node("GlobalAveragePool", ["input"], ["pooled"], "pool"),
             helper.make_node("Flatten", ["pooled"], ["scores"], "flatten")]
    return model(nodes, inputs=[("input", list(shape))],
                 outputs=[("scores", [shape[0], classes])], metadata=metadata)


def halves(side=8):
    """Two layers of 3 -> 4 channels, 3x3, gated by the brightness of each pixel: ReLU of the
    three channels' sum less 1.5. Black pixels are skipped, white ones are not."""
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(4, 3, 3, 3))
    nodes, constants = [], [constant("brightness", np.ones((1, 3, 1, 1))), constant("bias", [-1.5])]
    constants.append(constant("weights", weights))
    for layer in ("first", "second"):
        nodes += [
            helper.make_node("Conv", ["input", "brightness", "bias"], [f"{layer}_sum"],
                             f"/net/{layer}/branch/Conv"),
            helper.make_node("Relu", [f"{layer}_sum"], [f"{layer}_gate"], f"/net/{layer}/gate/Relu"),
            helper.make_node("Conv", ["input", "weights"], [f"{layer}_conv"],
                             f"/net/{layer}/conv/Conv", pads=[1, 1, 1, 1]),
            helper.make_node("Mul", [f"{layer}_conv", f"{layer}_gate"], [f"{layer}_out"],
                             f"/net/{layer}/Mul")]
    nodes += [helper.make_node("Add", ["first_out", "second_out"], ["both"], "add"),
              helper.make_node("GlobalAveragePool", ["both"], ["pooled"], "pool"),
              helper.make_node("Flatten", ["pooled"], ["scores"], "flatten")]
    return model(nodes, constants, [("input", ["N", 3, side, side])], [("scores", ["N", 4])])


def convolution(weights):
    nodes = [helper.make_node("Conv", ["input", "weights"], ["features"], "/conv/Conv"),
             helper.make_node("GlobalAveragePool", ["features"], ["pooled"], "pool"),
             helper.make_node("Flatten", ["pooled"], ["scores"], "flatten")]
    return model(nodes, [constant("weights", weights)])


def classified(node, *constants, check=True):
    """A node from 'input' to 'features', and the mean of each of three maps as scores."""
    nodes = [node, helper.make_node("GlobalAveragePool", ["features"], ["pooled"], "pool"),
             helper.make_node("Flatten", ["pooled"], ["scores"], "flatten")]
    return model(nodes, constants, check=check)


def mismatched():
    """Weights for four channels, where the input has three."""
    return classified(helper.make_node("Conv", ["input", "weights"], ["features"], "/conv/Conv"),
                      constant("weights", np.ones((3, 4, 1, 1))), check=False)


def padded_with_nothing():
    return classified(helper.make_node("Pad", ["input", "pads", "nothing"], ["features"], "/pad/Pad"),
                      numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads"),
                      constant("nothing", []))


def negative_variance():
    """Finite numbers, whose square root is NaN."""
    names = ["scale", "bias", "mean", "variance"]
    return classified(
        helper.make_node("BatchNormalization", ["input", *names], ["features"], "/bn/Norm"),
        *(constant(name, np.full(3, -1 if name == "variance" else 1)) for name in names))


def depthwise(classes, metadata=None, side=24):
    """Of EfficientNet-Lite's layers one each: a stride of 2, a depthwise 3x3, a 1x1; 8 channels."""
    generator = np.random.default_rng(7)
    weights = {"stem": (8, 3, 3, 3), "deep": (8, 1, 3, 3), "wide": (16, 8, 1, 1)}
    constants = [constant(name, generator.normal(size=shape) / np.sqrt(np.prod(shape[1:])))
                 for name, shape in weights.items()]
    constants += [constant("zero", 0), constant("six", 6),
                  constant("matrix", generator.normal(size=(16, classes))),
                  constant("bias", generator.normal(size=classes) / 4)]
    nodes = [helper.make_node("Conv", ["input", "stem"], ["a"], "stem", pads=[0, 0, 1, 1], strides=[2, 2]),
             helper.make_node("Clip", ["a", "zero", "six"], ["b"], "clip"),
             helper.make_node("Conv", ["b", "deep"], ["c"], "deep", pads=[1, 1, 1, 1], group=8),
             helper.make_node("Clip", ["c", "zero", "six"], ["d"], "clip2"),
             helper.make_node("Conv", ["d", "wide"], ["e"], "wide"),
             helper.make_node("Clip", ["e", "zero", "six"], ["f"], "clip3"),
             helper.make_node("GlobalAveragePool", ["f"], ["pooled"], "pool"),
             helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
             helper.make_node("Gemm", ["flat", "matrix", "bias"], ["scores"], "gemm")]
    return model(nodes, constants, [("input", ["N", 3, side, side])], [("scores", ["N", classes])],
                 metadata=metadata)


def depthwise(classes, metadata):
    """Of EfficientNet-Lite's layers one each: a stride of 2, a depthwise 3x3, a 1x1."""
    generator = np.random.default_rng(7)
    weights = {"stem": (9, 3, 3, 3), "deep": (9, 1, 3, 3), "wide": (17, 9, 1, 1)}
    constants = [constant(name, generator.normal(size=shape) / np.sqrt(np.prod(shape[1:])))
                 for name, shape in weights.items()]
    constants += [constant("zero", 0), constant("six", 6),
                  constant("matrix", generator.normal(size=(17, classes)))]
    layers = {"stem": {"pads": [0, 0, 1, 1], "strides": [2, 2]},
              "deep": {"pads": [1, 1, 1, 1], "group": 9}, "wide": {}}
    nodes, reads = [], "input"
    for name, attributes in layers.items():
        nodes += [helper.make_node("Conv", [reads, name], [f"{name}_sum"], f"{name}/Conv", **attributes),
                  helper.make_node("Clip", [f"{name}_sum", "zero", "six"], [f"{name}_out"], f"{name}/Clip")]
        reads = f"{name}_out"
    nodes += [helper.make_node("GlobalAveragePool", [reads], ["pooled"], "pool"),
              helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
              helper.make_node("MatMul", ["flat", "matrix"], ["scores"], "matmul")]
    return model(nodes, constants, [("input", ["N", 3, 24, 24])], [("scores", ["N", classes])],
                 metadata=metadata)


def unsupported():
    nodes = [helper.make_node("Det", ["input"], ["curved"], "/act/Det"),
             helper.make_node("GlobalAveragePool", ["curved"], ["pooled"], "pool"),
             helper.make_node("Flatten", ["pooled"], ["scores"], "flatten")]
    return model(nodes)


def feature_map():
    """Its output is an image, not a score a class."""
    return model([helper.make_node("Relu", ["input"], ["features"], "relu")],
                 outputs=[("features", ["N", 3, 8, 8])])


def overflowing():
    """Finite weights, infinite scores."""
    return convolution(np.full((3, 3, 1, 1), 3e38))


def red(metadata=None):
    """A single score: the mean of the red channel less a half, times eight."""
    nodes = [helper.make_node("GlobalAveragePool", ["input"], ["pooled"], "pool"),
             helper.make_node("Flatten", ["pooled"], ["means"], "flatten"),
             helper.make_node("Gemm", ["means", "weights", "bias"], ["scores"], "gemm")]
    return model(nodes, [constant("weights", [[8], [0], [0]]), constant("bias", [-4])],
                 outputs=[("scores", ["N", 1])], metadata=metadata)


def undefined():
    """Zero for black; the difference of two infinities, NaN, for anything brighter."""
    nodes = [helper.make_node("Conv", ["input", "weights"], ["one"], "/one/Conv"),
             helper.make_node("Mul", ["one", "two"], ["other"], "/other/Mul"),
             helper.make_node("Sub", ["one", "other"], ["features"], "/difference/Sub"),
             helper.make_node("GlobalAveragePool", ["features"], ["pooled"], "pool"),
             helper.make_node("Flatten", ["pooled"], ["scores"], "flatten")]
    return model(nodes, [constant("weights", np.full((3, 3, 1, 1), 3e38)), constant("two", 2)])
