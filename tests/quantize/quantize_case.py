"""What the tests of python/quantize share: running it, images, and reading what it wrote."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from PIL import Image

import nets

CHECKOUT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(CHECKOUT / "python/quantize"))

import quantize as program


def quantize(*arguments):
    """Its exit status, standard output and standard error, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = program.main([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


def run(model, x, names=(), optimises=True):
    """The first output of ONNX Runtime, and the inner tensors of these names."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # Else sums of products of bytes saturate on CPUs without VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if not optimises:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(copy.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run([model.graph.output[0].name, *names], {model.graph.input[0].name: x})


class File:
    """A quantised file by what its tests ask for."""

    def __init__(self, path):
        self.model = onnx.load(path)
        self.weights = {t.name: numpy_helper.to_array(t) for t in self.model.graph.initializer}
        self.nodes = list(self.model.graph.node)
        self.producers = {name: node for node in self.nodes for name in node.output}

    def rounded(self):
        """The scale and zero point of each tensor that is held as u8."""
        return {node.input[0]: (self.weights[node.input[1]], self.weights[node.input[2]])
                for node in self.nodes if node.op_type == "QuantizeLinear"}

    def of(self, name):
        """[integers, scales, zero points] behind the DequantizeLinear that writes `name`."""
        node = self.producers[name]
        assert node.op_type == "DequantizeLinear", node
        return [self.weights[x] for x in node.input], {a.name: a.i for a in node.attribute}

    def layer(self, output):
        return self.producers[output]


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.data = self.folder / "images"
        self.model = self.folder / "net.onnx"
        self.output = self.folder / "out" / "net_int8.onnx"
        self.output.parent.mkdir()

    def make_images(self, each=4, size=8):
        """Of each class noise with more of its colour, in folders named like the classes."""
        random = np.random.default_rng(7)
        for channel, label in enumerate(nets.LABELS):
            (self.data / label).mkdir(parents=True)
            for i in range(each):
                pixels = random.integers(0, 180, (size, size, 3))
                pixels[..., channel] += 75
                Image.fromarray(pixels.astype(np.uint8)).save(self.data / label / f"{i}.png")

    def read_images(self):
        """All of them as the metadata of nets.py want them: [N, 3, 8, 8]."""
        files = sorted(self.data.glob("*/*.png"))
        pixels = np.stack([np.asarray(Image.open(file), np.float32) for file in files])
        x = (pixels / np.float32(255) - np.float32(nets.MEAN)) / np.float32(nets.STD)
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def good(self, model, *arguments):
        """What it wrote and what it printed."""
        onnx.save(model, self.model)
        if not self.data.exists():
            self.make_images()
        status, text, fault = quantize("--model", self.model, "--data", self.data, "--output",
                                       self.output, *arguments)
        self.assertEqual((status, fault), (0, ""))
        self.assertEqual([self.output], list(self.output.parent.iterdir()))
        file = File(self.output)
        onnx.checker.check_model(file.model, full_check=True)
        return file, text
