"""Tests python/synthetic: the files that make_synthetic.py writes, and what it refuses.

    test_synthetic.py CHECKOUT
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

CHECKOUT = pathlib.Path(sys.argv[1])
SCRIPT = CHECKOUT / "python/synthetic/make_synthetic.py"
sys.path.insert(0, str(SCRIPT.parent))

import nets
from gates import WHOLE_MAP, GateSpec
from images import CIFAR, make_images
from measure import measure

# By hand: 3x3 taps x inputs x outputs x positions, and the last layer's weights.
RESNET20_MACS = (
    9 * 3 * 16 * 1024 + 6 * 9 * 16 * 16 * 1024 + 9 * 16 * 32 * 256 + 5 * 9 * 32 * 32 * 256
    + 9 * 32 * 64 * 64 + 5 * 9 * 64 * 64 * 64 + 64 * 10)
RESNET20_BRANCHES = 9 * (6 * 16 * 1024 + (16 + 5 * 32) * 256 + (32 + 5 * 64) * 64)


def make(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True,
                          text=True, timeout=60)


def gate_values(model):
    """Names of the gates in order: what a Mul takes from a Clip."""
    clips = {node.output[0] for node in model.graph.node if node.op_type in ("Clip", "Unsqueeze")}
    return [name for node in model.graph.node if node.op_type == "Mul"
            for name in node.input if name in clips]


def run(model, images, extra=()):
    """[scores, *extra] of ONNX Runtime."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                             for name in extra)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(copy.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    return session.run(["scores", *extra], {"input": images})


def fresh_images(count):
    return make_images(count, CIFAR, np.random.default_rng(987654))


def small_network(form, seed=0):
    """ResNet-20 calibrated on few images: the weights are right, the densities are not."""
    with mock.patch.dict(nets.CALIBRATION_IMAGES, cifar=4):
        return nets.make_network("resnet20", GateSpec(form, 0.5), seed=seed).model


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.output = self.folder / "net.onnx"

    def good(self, *arguments, output=None):
        output = output or self.output
        result = make("--net", "resnet20", *arguments, "--output", output)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual([], list(self.folder.glob("*.partial")))
        return onnx.load(output), result.stdout


class Files(Case):
    def test_density_and_macs_are_as_printed(self):
        for density in (0.7, 0.3):
            model, text = self.good("--gate", "kxk-one", "--density", density)
            names = gate_values(model)
            self.assertEqual(len(names), 18)
            masks = [g > 0 for g in run(model, fresh_images(48), names)[1:]]
            found = np.mean([mask.mean() for mask in masks])
            self.assertAlmostEqual(found, density, delta=0.03)
            printed = float(re.search(r"density (\S+) over fresh", text)[1])
            self.assertAlmostEqual(printed, found, delta=0.02)
            macs, executed = map(int, re.search(r"MACs (\d+), executed (\d+)", text).groups())
            self.assertEqual(macs, RESNET20_MACS)
            # Stem and last layer are never skipped; gated layers are, about alike.
            gated = macs - 9 * 3 * 16 * 1024 - 64 * 10
            expected = macs - gated * (1 - printed) + RESNET20_BRANCHES
            self.assertAlmostEqual(executed / expected, 1, delta=0.03)

    def test_other_forms_hold_the_density(self):
        for form, placement in (("1x1-one", "pre"), ("groups", "post"), ("1x1", "post")):
            network = nets.make_network("resnet20", GateSpec(form, 0.5), placement, seed=3)
            names = gate_values(network.model)
            self.assertEqual(len(names), 18)
            masks = [g > 0 for g in run(network.model, fresh_images(48), names)[1:]]
            self.assertAlmostEqual(np.mean([m.mean() for m in masks]), 0.5, delta=0.03, msg=form)
            maps = {"1x1-one": 1, "groups": 4, "1x1": 64}[form]
            self.assertEqual(masks[-1].shape[1], maps)

    def test_gates_per_block_hold_the_density(self):
        spec = GateSpec("block", 0.5, (1, 4, WHOLE_MAP))
        network = nets.make_network("resnet20", spec)
        self.assertEqual(len(network.gates), 9)
        maps = run(network.model, fresh_images(64), [gate.values for gate in network.gates])[1:]
        self.assertEqual([g.shape[2] for g in maps], 3 * [32] + 3 * [4] + 3 * [1])
        found = [float((g > 0).mean()) for g in maps]
        self.assertAlmostEqual(np.mean(found[:6]), 0.5, delta=0.04)
        self.assertAlmostEqual(np.mean(found[6:]), 0.5, delta=0.2)  # of 64 images
        measured = measure(network, 0)
        expected = RESNET20_MACS + 3 * (9 * 16 * 1024) + (
            9 * (16 + 32 + 32) * 16) + (32 + 64 + 64)
        skipped = sum(network.macs[conv] * (1 - density) for gate, density in zip(
            network.gates, measured.densities) for conv in gate.convs)
        self.assertAlmostEqual(measured.executed, expected - skipped, delta=1)

    def test_masks_follow_the_image_and_are_coherent(self):
        network = nets.make_network("resnet20", GateSpec("kxk-one", 0.5))
        masks = [g > 0 for g in run(network.model, fresh_images(16),
                                    gate_values(network.model))[1:]]
        for mask in masks[:6]:
            pairs = (mask[..., 1:] & mask[..., :-1]).mean()
            self.assertGreater(pairs / mask.mean(), 0.6)  # white noise: 0.5
        for mask in masks:
            self.assertGreater(mask.std(axis=0).mean(), 0.3)  # alike in all images: 0

    def test_density_one_opens_everything(self):
        model, text = self.good("--gate", "kxk-one", "--density", "1")
        self.assertIn("density 1.000", text)
        self.assertIn(f"MACs {RESNET20_MACS}, executed {RESNET20_MACS + RESNET20_BRANCHES},", text)

    def test_dense_twin_shares_the_weights(self):
        dense, text = self.good()
        self.assertIn(f"MACs {RESNET20_MACS}, executed {RESNET20_MACS},", text)
        gated = small_network("kxk-one")
        weights = {w.name: numpy_helper.to_array(w) for w in gated.graph.initializer}
        differing = {w.name for w in dense.graph.initializer
                     if not np.array_equal(numpy_helper.to_array(w), weights[w.name])}
        self.assertTrue(differing)
        self.assertEqual(set(), {n for n in differing if not re.search("running_(mean|var)$", n)})

    def test_file_is_plain_and_labelled(self):
        model, _ = self.good("--gate", "groups", "--density", "0.5")
        onnx.checker.check_model(model, full_check=True)
        self.assertEqual([(i.domain, i.version) for i in model.opset_import], [("", 17)])
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        self.assertEqual(metadata.pop("sluice.weights"), "synthetic")
        self.assertEqual({key: json.loads(value) for key, value in metadata.items()}, {
            "sluice.mean": list(CIFAR.mean), "sluice.std": list(CIFAR.std),
            "sluice.resize_shorter_side": 32})
        images = fresh_images(3)
        together = run(model, images)[0]
        self.assertEqual(together.shape, (3, 10))
        alone = np.concatenate([run(model, image[None])[0] for image in images])
        np.testing.assert_allclose(together, alone, atol=1e-5 * np.abs(alone).max(), rtol=0)

    def test_seeds_repeat(self):
        options = ("--gate", "1x1-one", "--density", "0.5", "--seed")
        paths = [self.folder / f"{name}.onnx" for name in ("first", "again", "other")]
        for path, seed in zip(paths[:2], (4, 4)):
            self.good(*options, seed, output=path)
        self.assertEqual(paths[0].read_bytes(), paths[1].read_bytes())
        first, other = (small_network("1x1-one", seed) for seed in (4, 5))
        weights = [{w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
                   for model in (first, other)]
        for name in weights[0]:
            if name.endswith("conv.weight") or name.endswith("branch.weight"):
                self.assertFalse(np.array_equal(weights[0][name], weights[1][name]), name)


class Structure(unittest.TestCase):
    """Which convolutions carry a gate. The densities mean nothing here: calibrated on one image."""

    def gated(self, name, spec=GateSpec("kxk-one", 0.5), placement="post"):
        with mock.patch.dict(nets.CALIBRATION_IMAGES, imagenet=1, cifar=2):
            network = nets.make_network(name, spec, placement)
        sizes = {node.name: node.attribute for node in network.model.graph.node}
        kernel = {n: next(a.ints[0] for a in attributes if a.name == "kernel_shape")
                  for n, attributes in sizes.items() if n.endswith("/Conv")}
        gates = [(conv, kernel[f"{conv}/Conv"]) for gate in network.gates for conv in gate.convs]
        return gates, kernel, network.model

    def products(self, model):
        """Of each gate, in order, the shapes that its products have, and those of what they read."""
        inferred = onnx.shape_inference.infer_shapes(model)
        shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim][1:]
                  for v in inferred.graph.value_info}
        return [(shapes[node.output[0]], shapes[node.input[1]])
                for node in model.graph.node if node.op_type == "Mul"]

    def test_basic_blocks(self):
        gates, convolutions, _ = self.gated("resnet18")
        self.assertEqual(gates, [(f"blocks.{b}.conv{c}.conv", 3) for b in range(8) for c in (1, 2)])
        self.assertEqual(len(convolutions), 1 + 2 * 16 + 3)

    def test_bottlenecks(self):
        gates, convolutions, _ = self.gated("resnet50")
        self.assertEqual(gates, [(f"blocks.{b}.conv{c}.conv", k)
                                 for b in range(16) for c, k in ((2, 3), (3, 1))])
        self.assertEqual(len(convolutions), 1 + 3 * 16 + 2 * 16 + 4)


    def test_one_gate_is_of_all_convolutions_of_a_basic_block(self):
        for placement in ("post", "pre"):
            spec = GateSpec("block", 0.5, (8, 2, WHOLE_MAP))
            gates, convolutions, model = self.gated("resnet20", spec, placement)
            self.assertEqual(
                gates, [(f"blocks.{b}.conv{c}.conv", 3) for b in range(9) for c in (1, 2)])
            self.assertEqual(len(convolutions), 1 + 2 * 9 + 9)
            sides = [(product[1], gate[1]) for product, gate in self.products(model)]
            self.assertEqual(sides, 6 * [(32, 32)] + 6 * [(16, 16)] + 6 * [(8, 1)])
            resizes = [node.name for node in model.graph.node if node.op_type == "Resize"]
            self.assertEqual(len(resizes), 6)  # one for both convolutions of a block

    def test_one_gate_is_of_all_convolutions_of_a_bottleneck(self):
        gates, convolutions, model = self.gated("resnet50", GateSpec("block", 0.5, (4, 4, 2, None)))
        self.assertEqual(
            gates, [(f"blocks.{b}.conv{c}" + (".conv" if c > 1 else ""), 3 if c == 2 else 1)
                    for b in range(13) for c in (1, 2, 3)])
        self.assertEqual(len(convolutions), 1 + 3 * 16 + 13 + 4)
        sides = [(product[1], gate[1]) for product, gate in self.products(model)]
        # The first layer of a stage lies before its stride.
        self.assertEqual([side for side, _ in sides], 9 * [56] + [56] + 11 * [28] + [28] + 17 * [14])
        self.assertTrue(all(side == gate for side, gate in sides))


class BadArguments(Case):
    def bad(self, *arguments, names=()):
        before = list(self.folder.iterdir())
        result = make(*arguments)
        self.assertEqual(result.returncode, 2, result)
        self.assertRegex(result.stderr, r"\Amake_synthetic: [^\n]*; [^\n]+\n\Z")
        for name in names:
            self.assertIn(str(name), result.stderr)
        self.assertEqual((result.stdout, list(self.folder.iterdir())), ("", before))

    def test_one_line_and_exit_2(self):
        output = ("--output", self.output)
        gate = ("--net", "resnet20", "--gate", "kxk-one")
        self.bad(names=["--net"])
        self.bad("--net", "resnet21", *output, names=["resnet21", "resnet110"])
        self.bad("--net", "resnet20", names=["--output"])
        self.bad("--net", "resnet20", "--densities", "0.5", *output, names=["--densities"])
        self.bad("--net", "resnet20", "--density", "0.5", *output, names=["--gate"])
        self.bad("--net", "resnet20", "--gate", "5x5", *output, names=["5x5", "kxk-one"])
        self.bad(*gate, *output, names=["--density"])
        self.bad(*gate, "--density", "0.5", "--grains", "4", *output, names=["--gate block"])
        blocks = ("--net", "resnet20", "--gate", "block", "--density", "0.5", "--grains")
        self.bad(*blocks, "4,3,1", *output, names=["3", "map", "none"])
        self.bad(*blocks, "4,1", *output, names=["2 grains", "3 stages"])
        for density in ("0", "1.01", "-0.5", "nan", "half"):
            self.bad(*gate, "--density", density, *output, names=[density])
        self.bad(*gate, "--density", "0.5", "--seed", "-1", *output, names=["-1"])
        self.bad(*gate, "--density", "0.5", "--placement", "mid", *output, names=["mid"])
        missing = self.folder / "missing" / "net.onnx"
        self.bad("--net", "resnet20", "--output", missing, names=[missing.parent])
        self.output.mkdir()
        self.bad("--net", "resnet20", *output, names=[self.output])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
