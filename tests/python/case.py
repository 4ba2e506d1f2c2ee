"""What the tests of the package share: networks, images of the right shape, ONNX Runtime's answers."""

import pathlib
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import sluice

ROOT = pathlib.Path(__file__).parents[2]
GATED = ROOT / "models" / "resnet20_block_d58_cifar10.onnx"
GATED_INT8 = ROOT / "models" / "int8" / "resnet20_block_d58_cifar10_int8.onnx"
PER_POSITION = ROOT / "tests" / "networks" / "resnet20_lccl_cifar10.onnx"
TOLERANCE = 1e-4  # of the largest value, as everywhere in the tests


def images(count, seed=0, shape=(3, 32, 32)):
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


def small_net(channels=5, outputs=7):
    """A convolution of 3x3 and a sum over what it gives: two inputs, two outputs, any batch."""
    random = np.random.default_rng(1)
    weights = numpy_helper.from_array(
        random.standard_normal((outputs, channels, 3, 3)).astype(np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["conv"], "conv", pads=[1, 1, 1, 1]),
             helper.make_node("Add", ["conv", "z"], ["sum"], "sum"),
             helper.make_node("Relu", ["sum"], ["y"], "relu")]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "small", [value("x", TensorProto.FLOAT, ["batch", channels, 6, 9]),
                         value("z", TensorProto.FLOAT, ["batch", outputs, 6, 9])],
        [value("y", TensorProto.FLOAT, ["batch", outputs, 6, 9]),
         value("conv", TensorProto.FLOAT, ["batch", outputs, 6, 9])], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="author", value="nobody")
    return model


def of_bytes(kind):
    """y = (x - zero point) * scale, of an input of uint8 or int8."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    constants = [numpy_helper.from_array(np.float32(0.5), "scale"),
                 numpy_helper.from_array(dtype.type(3), "zero")]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["y"], "n")], "bytes",
        [value("x", kind, ["N", 3, 4, 5])], [value("y", TensorProto.FLOAT, ["N", 3, 4, 5])],
        constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(path, feeds):
    """ONNX Runtime's outputs, without its optimiser."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return session.run(None, feeds)


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def save(self, model, name="model.onnx"):
        onnx.save(model, self.folder / name)
        return self.folder / name

    def small(self, **arguments):
        return sluice.Model(self.save(small_net()), **arguments)

    def assert_close(self, got, expected, tolerance=TOLERANCE):
        self.assertEqual(got.shape, expected.shape)
        self.assertEqual(got.dtype, expected.dtype)
        self.assertLessEqual(np.abs(got - expected).max(), tolerance * np.abs(expected).max())

    def failure(self, function, *arguments, **keywords):
        """The Error that this call raises; its message is made of its fields."""
        with self.assertRaises(sluice.Error) as caught:
            function(*arguments, **keywords)
        error = caught.exception
        places = "".join(f"{place}: " for place in (error.file, error.node) if place)
        self.assertEqual(str(error), f"{places}{error.what}; {error.remedy}")
        self.assertTrue(error.remedy)
        return error
