"""Runs networks of every form of gate through the built classify and through ONNX Runtime.

    test_compare.py CHECKOUT [EMULATOR] PATH_OF_CLASSIFY
"""

import pathlib
import sys
import tempfile
import unittest

import onnx

from compare_scores import TOLERANCE, compare, kernels

CHECKOUT = pathlib.Path(sys.argv[1])
CLASSIFY = sys.argv[2:]
sys.path.insert(0, str(CHECKOUT / "python/synthetic"))

from gates import GateSpec
from nets import make_network


class Networks(unittest.TestCase):
    def check(self, form, density, placement):
        """Checks the scores and that sums and gates are fused; returns the families of kernels."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.onnx"
            onnx.save(make_network("resnet20", GateSpec(form, density), placement).model, path)
            difference, results = compare(CLASSIFY, path, folder)
            families, _ = kernels(CLASSIFY, path)
        self.assertLess(difference, TOLERANCE)
        self.assertEqual((families["binary_add"], families["binary_mul"]), (0, 0))
        for result in results:
            self.assertEqual(result["macs"], 40551040)
        return families, results

    def test_position_gates_skip(self):
        for placement in ("post", "pre"):
            families, results = self.check("kxk-one", 0.5, placement)
            self.assertEqual((families["gated_conv_position"], families["branch"]), (18, 18))
            for result in results:
                self.assertLess(result["macs_executed"], result["macs"])

    def test_group_gates_skip(self):
        families, results = self.check("groups", 0.4, "post")
        # A map and a call for every 16 channels: of three stages with 6 layers of 16, 32, 64.
        self.assertEqual(families["gated_conv_position"], 6 * 1 + 6 * 2 + 6 * 4)
        for result in results:
            self.assertLess(result["macs_executed"], result["macs"])

    def test_element_gates_and_none(self):
        # Each layer has one dense product, by Winograd where its kernel, stride and map allow.
        families, _ = self.check("1x1", 0.5, "post")
        self.assertEqual(families["gated_conv_element"] + families["winograd_conv_element"], 18)
        families, _ = self.check("none", 1, "pre")
        self.assertEqual(families["gated_conv_none"] + families["winograd_conv_none"], 19)
        # The first layer has 3 channels.
        self.assertEqual(families["gated_conv_none"], 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
