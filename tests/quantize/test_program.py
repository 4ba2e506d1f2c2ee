"""Tests python/quantize as a program: its report, how it reads images, and what it refuses.

    test_program.py CHECKOUT
"""

import pathlib
import re
import subprocess
import sys
import unittest

import numpy as np
import onnx
from onnx import helper
from PIL import Image

import nets
from quantize_case import CHECKOUT, Case, quantize, run

import images


class Report(Case):
    def test_accuracy_densities_and_noise(self):
        net, scores = nets.gated("position", residual=True)
        model = net.finish(scores)
        file, text = self.good(model, "--images", "5", "--test", self.data)
        x = self.read_images()
        truth = np.repeat([2, 1, 0], 4)  # sorted by path they are blue, green, red
        (before, gate), (after, rounded) = (run(m, x, ["b.gate"]) for m in (model, file.model))
        share = lambda y: 100 * np.mean(y.argmax(axis=1) == truth)
        equal = 100 * np.mean(before.argmax(axis=1) == after.argmax(axis=1))
        self.assertIn(f"accuracy {share(before):.2f}% before, {share(after):.2f}% after", text)
        self.assertIn(f"equal best class {equal:.2f}%, on 12 images", text)
        densities = [(g > 0).mean() for g in (gate, rounded)]
        self.assertRegex(text, rf"b.conv.node +{densities[0]:.3f} +{densities[1]:.3f}\n")
        # By hand: 3x3 taps x inputs x outputs x positions, and the last layer's weights.
        layer, branch, rest = 9 * 6 * 6 * 64, 9 * 6 * 64, 9 * 3 * 6 * 64 + 6 * 3
        cuts = [100 * (layer * (1 - density) - branch) / (layer + rest) for density in densities]
        self.assertIn(f"MACs cut {cuts[0]:.2f}% before, {cuts[1]:.2f}% after", text)
        self.assertRegex(text, r"(?m)^  scores +\d+\.\d dB +\d+\.\d dB$")

    def test_noise_is_that_of_the_definition(self):
        net, scores = nets.residual()
        model = net.finish(scores)
        file, text = self.good(model, "--images", "12")
        x = self.read_images()
        wanted = run(model, x, ["b.relu"])[1]
        found = run(file.model, x, ["b.relu_DequantizeLinear_Output"])[1]
        noise = 10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum())
        alone, together = map(float, re.search(r"b\.relu +(\S+) dB +(\S+) dB", text).groups())
        self.assertAlmostEqual(together, noise, delta=0.11)
        self.assertGreater(alone, together)

    def test_images_that_do_not_calibrate_are_compared(self):
        net, scores = nets.residual()
        _, text = self.good(net.finish(scores), "--images", "5")
        self.assertIn("on 7 images", text)
        self.assertIn("on 5 images of", text)

    def test_other_folders_have_no_accuracy(self):
        net, scores = nets.residual()
        self.make_images()
        (self.data / "red").rename(self.data / "crimson")
        _, text = self.good(net.finish(scores))
        self.assertNotIn("accuracy", text)
        self.assertIn("equal best class", text)

    def test_networks_of_the_repository(self):
        for name in ("models/resnet20_dense_cifar10", "tests/networks/resnet20_tiles_cifar10",
                     "tests/networks/resnet20_lccl_1x1_cifar10"):
            with self.subTest(name):
                self.data = CHECKOUT / "apps/samples"
                model = onnx.load(CHECKOUT / f"{name}.onnx")
                file, text = self.good(model, "--images", "8", "--test", self.data)
                self.assertGreaterEqual(float(re.search(r"equal best class (\S+)%", text)[1]), 90)
                cuts = re.search(r"MACs cut (\S+)% before, (\S+)% after", text)
                if "dense" in name:
                    self.assertIsNone(cuts)
                else:
                    self.assertAlmostEqual(float(cuts[1]), float(cuts[2]), delta=2)
                    self.assertGreater(float(cuts[1]), 15)
                inside = re.compile("Clip|Resize|Mul|Conv|Norm|Add_out")
                self.assertEqual([name for name in file.rounded() if inside.search(name)], [])


class Images(Case):
    def read(self, image, size, side=None, suffix=".png", interpolation=Image.Resampling.BILINEAR,
             **options):
        path = self.folder / f"image{suffix}"
        image.save(path, **options)
        zeros, ones = np.zeros(3, np.float32), np.ones(3, np.float32)
        x = images.read_image(path, images.Preprocessing(zeros, ones, side, size, interpolation))
        return np.rint(x.transpose(1, 2, 0) * 255).astype(int)

    def ramp(self, width, height):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = np.arange(width), np.arange(height)[:, None]
        return Image.fromarray(pixels)

    def test_centre_is_cut_out(self):
        pixels = self.read(self.ramp(20, 11), (8, 8), side=11)
        self.assertEqual(pixels.shape, (8, 8, 3))
        self.assertEqual((pixels[0, 0, 0], pixels[0, 0, 1]), (6, 2))  # 1.5 is rounded to even

    def test_shorter_side_is_scaled(self):
        pixels = self.read(self.ramp(40, 20), (8, 8), side=10)
        wanted = self.ramp(40, 20).resize((20, 10), Image.Resampling.BILINEAR).crop((6, 1, 14, 9))
        np.testing.assert_array_equal(pixels, np.asarray(wanted))

    def test_bicubic_image(self):
        cubic = Image.Resampling.BICUBIC
        edges = Image.fromarray(np.random.default_rng(3).integers(0, 256, (30, 24, 3), np.uint8))
        pixels = self.read(edges, (10, 10), side=10, interpolation=cubic)
        wanted = np.asarray(edges.resize((10, 12), cubic))[1:11]
        np.testing.assert_array_equal(pixels, wanted)
        self.assertFalse((pixels == self.read(edges, (10, 10), side=10)).all())

    def test_small_image_gets_a_frame_of_zeros(self):
        pixels = self.read(Image.new("RGB", (4, 4), (9, 9, 9)), (7, 8), side=4)
        self.assertEqual(np.argwhere(pixels[..., 0])[[0, -1]].tolist(), [[1, 2], [4, 5]])

    def test_without_a_side_the_whole_image_is_scaled(self):
        pixels = self.read(self.ramp(40, 20), (6, 9))
        wanted = self.ramp(40, 20).resize((9, 6), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(pixels, np.asarray(wanted))

    def test_grey_and_turned_images(self):
        grey = self.read(Image.new("L", (3, 2), 77), (2, 3), side=2)
        self.assertTrue((grey == 77).all())
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees
        pixels = self.read(self.ramp(30, 20), (30, 20), exif=exif)
        self.assertEqual((pixels[0, -1, 1], pixels[0, 0, 1]), (0, 19))

    def test_normalised_by_channel(self):
        self.make_images(each=1)
        model = nets.residual()[0].finish()
        preprocessing = images.read_preprocessing(self.model, model)
        files = images.find_images(self.data)
        found = next(images.batches(files, preprocessing, 8))
        np.testing.assert_allclose(found, self.read_images(), atol=1e-6)

    def test_choice_repeats_and_follows_the_seed(self):
        paths = [pathlib.Path(str(i)) for i in range(100)]
        first, again, other = (images.choose(paths, 10, seed) for seed in (1, 1, 2))
        self.assertEqual((first, len(set(first))), (again, 10))
        self.assertNotEqual(first, other)


class Refusals(Case):
    def setUp(self):
        super().setUp()
        self.make_images(each=1)
        net, scores = nets.residual()
        self.net = net.finish(scores)
        onnx.save(self.net, self.model)

    def bad(self, *names, model=None, data=None, output=None, options=()):
        """Exit 2, one line that names the fault and a remedy, and no file."""
        status, out, message = quantize("--model", model or self.model, "--data", data or self.data,
                                        "--output", output or self.output, *options)
        self.assertEqual((status, out), (2, ""))
        self.assertRegex(message, r"\Aquantize: [^\n]*; [^\n]+\n\Z")
        for name in names:
            self.assertIn(str(name), message)
        self.assertEqual([], [path for path in self.output.parent.iterdir() if path.is_file()])

    def bad_model(self, change, *names):
        model = onnx.ModelProto()
        model.CopyFrom(self.net)
        change(model)
        path = self.folder / "bad.onnx"
        onnx.save(model, path)
        self.bad(path, *names, model=path)

    def test_models(self):
        self.bad("missing.onnx", model=self.folder / "missing.onnx")
        self.bad(self.folder, model=self.folder)
        text = self.folder / "text.onnx"
        for content in (b"no model\n", b""):
            text.write_bytes(content)
            self.bad(text, "ONNX", model=text)
        self.bad_model(lambda m: setattr(m.opset_import[0], "version", 12), "opset 12", "13")
        dims = lambda m: m.graph.input[0].type.tensor_type.shape.dim
        self.bad_model(lambda m: setattr(dims(m)[1], "dim_value", 1), "colour image")
        self.bad_model(lambda m: dims(m)[2].ClearField("value"), "height, width")
        self.bad_model(lambda m: m.graph.node[0].input.__setitem__(0, "nothing"), "onnx.checker")
        net = nets.Net()
        self.bad_model(lambda m: m.CopyFrom(net.finish(net.op("Relu", "scores", "image"))),
                       "constant weights")
        quantised = self.folder / "quantised.onnx"
        done = quantize("--model", self.model, "--data", self.data, "--output", quantised)
        self.assertEqual(done[0], 0)
        self.bad(quantised, "quantised already", model=quantised)

    def test_metadata(self):
        side = "sluice.resize_shorter_side"
        for key, value in (("sluice.mean", "[1, 2]"), ("sluice.mean", "{"),
                           ("sluice.std", "[1, 0, 1]"), ("sluice.std", "[1, NaN, 1]"),
                           (side, "0"), (side, "true"), ("sluice.labels", "[1]"),
                           ("sluice.interpolation", "bicubic")):
            self.bad_model(lambda m: helper.set_model_props(m, {key: value}), key)

    def test_values_that_are_not_finite(self):
        for layers, value, words in (("c", np.inf, "the weights of 'c.conv.node'"),
                                     ("abc", 1e30, "has values that are not finite")):
            net, scores = nets.residual()
            for layer in layers:
                net.weights[f"{layer}.weight"][:] = value
            self.net = net.finish(scores)
            self.bad_model(lambda m: None, words)

    def test_images(self):
        self.bad("missing", data=self.folder / "missing")
        empty = self.folder / "empty"
        empty.mkdir()
        self.bad(empty, "no images", data=empty)
        self.bad(empty, "no images", options=["--test", empty])
        (empty / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
        self.bad("bad.png", data=empty)
        self.bad("bad.png", options=["--test", empty])

    def test_options(self):
        self.bad("--calibration", "minmax", options=["--calibration", "best"])
        self.bad("--images", options=["--images", "0"])
        self.bad("--images", options=["--images", "some"])
        self.bad("--seed", options=["--seed", "-1"])
        for share in ("49", "101", "nan"):
            self.bad("--percentile", options=["--percentile", share])
        missing = self.folder / "nowhere" / "net.onnx"
        self.bad(missing.parent, output=missing)
        taken = self.output.parent / "folder.onnx"
        taken.mkdir()
        self.bad(taken, output=taken)

    def test_exit_status_and_message_of_the_program(self):
        script = CHECKOUT / "python/quantize/quantize.py"
        command = [sys.executable, script, "--model", self.folder / "missing.onnx",
                   "--data", self.data, "--output", self.output]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertRegex(result.stderr, r"\Aquantize: \S+missing.onnx: cannot be read \([^\n]+\n\Z")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
