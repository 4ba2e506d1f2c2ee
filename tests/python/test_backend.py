"""ONNX's own backend test suite, run on sluice.backend.

    test_backend.py [PATH_OF_RUN_CASES]

No answer is wrong. What tests/conformance has right of the cases as they are given passes here, and what it
refuses is refused with the same message. Where that is not built, the first alone is tested.
"""

import subprocess
import sys
import unittest
import warnings

import numpy as np
import onnx

import case
import sluice.backend

sys.path.insert(0, str(case.ROOT / "tests" / "conformance"))
import onnx_cases

REFUSALS = case.ROOT / "tests" / "conformance" / "refusals.txt"
RUN_CASES = sys.argv[1:]
del sys.argv[1:]


class Verdicts(unittest.TestResult):
    """What became of each test: right, refused with a message, or at fault."""

    def __init__(self):
        super().__init__()
        self.right, self.refused, self.faults = set(), {}, {}

    @staticmethod
    def name(test):
        return test.id().rpartition(".")[2].removesuffix("_cpu")

    def addSuccess(self, test):
        self.right.add(self.name(test))

    def addError(self, test, err):
        error = err[1]
        if isinstance(error, sluice.Error):
            self.refused[self.name(test)] = str(error).removeprefix(f"{error.file}: ")
        else:
            self.faults[self.name(test)] = f"{type(error).__name__}: {error}"

    addFailure = addError


def run_suite():
    from onnx.backend.test import BackendTest
    verdicts = Verdicts()
    with warnings.catch_warnings():  # some cases overflow on purpose
        warnings.simplefilter("ignore")
        BackendTest(sluice.backend, __name__).exclude("_cuda$").test_suite.run(verdicts)
    return verdicts


def taken_by_conformance():
    """{name: message of its refusal, or None where it is right}, of the cases as they are given."""
    listed = subprocess.run([*RUN_CASES, "--operators"], stdout=subprocess.PIPE, check=True)
    operators = set(listed.stdout.decode().strip().split(", "))
    lines = [line.split(" given: ", 1) for line in REFUSALS.read_text().splitlines()
             if " given: " in line]
    refused = dict(lines)
    return {c.name: refused.get(c.name) for c in onnx_cases.collect()
            if all(n.op_type in operators and not n.domain for n in c.model.graph.node)
            and onnx_cases.about_activations(c.model.graph)
            and onnx_cases.at_opset(c.model) is not None}


class Suite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.verdicts = run_suite()

    def test_no_answer_is_wrong(self):
        self.assertEqual(self.verdicts.faults, {})
        self.assertGreater(len(self.verdicts.right), 100)

    @unittest.skipUnless(RUN_CASES, "run_cases is not given")
    def test_as_conformance(self):
        known = self.verdicts.right | set(self.verdicts.refused)
        taken = {name: said for name, said in taken_by_conformance().items() if name in known}
        self.assertGreater(len(taken), 400)
        differ = {name: (said, self.verdicts.refused.get(name)) for name, said in taken.items()
                  if self.verdicts.refused.get(name) != said}
        self.assertEqual(differ, {})


class Interface(case.Case):
    def setUp(self):
        super().setUp()
        self.model = case.small_net()
        self.x, self.z = case.images(2, 2, (5, 6, 9)), case.images(2, 1, (7, 6, 9))
        self.expected = case.answers(self.save(self.model), {"x": self.x, "z": self.z})

    def check(self, outputs):
        self.assertIsInstance(outputs, tuple)
        for got, expected in zip(outputs, self.expected, strict=True):
            self.assert_close(got, expected)

    def test_models(self):
        self.check(sluice.backend.run_model(self.model, [self.x, self.z]))
        prepared = sluice.backend.prepare(self.model, "CPU", threads=2)
        self.assertEqual(prepared.model.threads, 2)
        self.check(prepared.run((self.x, self.z)))
        self.check(prepared.run({"z": self.z, "x": self.x}))

    def test_nodes(self):
        node = onnx.helper.make_node("Relu", ["x"], ["y"])
        for arguments in ({}, {"outputs_info": [(np.float32, self.x.shape)], "opset_version": 14}):
            (y,) = sluice.backend.run_node(node, [self.x], **arguments)
            np.testing.assert_array_equal(y, np.maximum(self.x, 0))

    def test_devices(self):
        for device, supported in (("CPU", True), ("CPU:0", True), ("CUDA", False), ("CUDA:1", False)):
            self.assertEqual(sluice.backend.supports_device(device), supported)
        self.assertIn("CUDA", self.failure(sluice.backend.prepare, self.model, "CUDA").what)

    def test_newer_opsets(self):
        self.model.opset_import[0].version = sluice.backend.NEWEST_OPSET + 1
        self.check(sluice.backend.run_model(self.model, [self.x, self.z]))

    def test_other_element_types(self):
        self.model.graph.output[1].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
        self.model.graph.node.append(onnx.helper.make_node("Cast", ["conv"], ["wide"], to=11))
        self.model.graph.output[1].name = "wide"
        onnx.checker.check_model(self.model, full_check=True)
        self.failure(sluice.backend.prepare, self.model)

    def test_what_is_refused(self):
        self.assertTrue(sluice.backend.is_compatible(self.model))
        self.model.graph.node[1].op_type = "Mod"
        self.assertFalse(sluice.backend.is_compatible(self.model))
        self.failure(sluice.backend.prepare, self.model)

    def test_the_package_does_not_need_onnx(self):
        said = subprocess.run([sys.executable, "-c", "import sluice, sys; print('onnx' in sys.modules)"],
                              stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(said, b"False\n")


if __name__ == "__main__":
    unittest.main()
