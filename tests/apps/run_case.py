"""What the tests of apps/run share: small models, and the app as its users start it."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RUN = sys.argv[2:]


def model(nodes, inputs, outputs, constants=()):
    """Of nodes (operator, inputs, outputs, attributes), and names with shapes."""
    graph = helper.make_graph(
        [helper.make_node(kind, reads, writes, f"n{i}", **attributes)
         for i, (kind, reads, writes, attributes) in enumerate(nodes)], "net",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def identity(*shape):
    return model([("Identity", ["x"], ["y"], {})], [("x", shape)], ["y"])


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.out = self.folder / "out"

    def save_model(self, built, name="m.onnx"):
        onnx.save(built, self.folder / name)
        return self.folder / name

    def save(self, name, array, **keywords):
        path = self.folder / name
        np.save(path, array, **keywords)
        return path

    def run_app(self, *arguments, **keywords):
        environment = {k: v for k, v in os.environ.items() if k != "SLUICE_TARGET"}
        keywords.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([*keywords.pop("within", ()), *RUN, *map(str, arguments)],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=600,
                              env=environment | keywords.pop("environment", {}), **keywords)

    def good(self, *arguments, code=0):
        result = self.run_app(*arguments)
        self.assertEqual((result.returncode, result.stderr), (code, b""), result)
        return result.stdout.decode()

    def report(self, *arguments, code=0):
        return json.loads(self.good("--json", *arguments, code=code))

    def bad(self, *arguments, names=(), **keywords):
        """Exit 2, one line on standard error that names the fault and a remedy, nothing else."""
        result = self.run_app(*arguments, **keywords)
        message = result.stderr.decode()
        self.assertEqual(result.returncode, 2, result)
        self.assertRegex(message, r"\Arun: [^\n]*; [^\n]+\n\Z")
        for name in names:
            self.assertIn(str(name), message)
        self.assertFalse(result.stdout, message)
        self.assertEqual([], list(self.folder.rglob("*.part*")))
        return message
