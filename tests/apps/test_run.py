"""Runs the built run as its users do, with NumPy and ONNX Runtime as oracles, and with everything that
a user can get wrong.

    test_run.py CHECKOUT [EMULATOR] PATH_OF_RUN
"""

import os
import pathlib
import subprocess
import sys
import unittest

import numpy as np
import onnx
import onnxruntime
from PIL import Image

import run_case

CHECKOUT = pathlib.Path(sys.argv[1])
DEMO = CHECKOUT / "tests/networks/resnet20_lccl_cifar10.onnx"


def two_inputs(first=("N", 3, 4), second=("N", 3, 4)):
    """left - right, and twice left. The outputs' names are unfit for files."""
    return run_case.model([("Sub", ["left", "right"], ["/net/a:0"], {}),
                           ("Add", ["left", "left"], ["_net_a_0"], {})],
                          [("left", first), ("right", second)], ["/net/a:0", "_net_a_0"])


def arrays(*shapes, seed=1):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


class GoodPath(run_case.Case):
    def test_network_agrees_with_onnx_runtime(self):
        [x] = arrays((3, 3, 32, 32))
        session = onnxruntime.InferenceSession(DEMO, providers=["CPUExecutionProvider"])
        [expected] = session.run(None, {"input": x})
        path = self.save("x.npy", x)
        for threads in (1, 2):
            report = self.report("--model", DEMO, "--input", path, "--output", self.out, "--expect",
                                 self.save("y.npy", expected), "--threads", threads)
            [output] = report["outputs"]
            found = np.load(output["file"])
            self.assertEqual(output["file"], str(self.out / "scores.npy"))
            self.assertEqual(output["shape"], [3, 10])
            np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
            difference = np.abs(found.astype(np.float64) - expected).max()
            self.assertTrue(output["expectation"]["passes"])
            self.assertAlmostEqual(output["expectation"]["largest_difference"], difference, 12)
            self.assertAlmostEqual(output["expectation"]["relative_difference"],
                                   difference / np.abs(expected).max(), 12)
            self.assertEqual(report["threads"], threads)
            self.assertEqual(report["inputs"],
                             [{"name": "input", "shape": [3, 3, 32, 32], "source": str(path)}])

    def test_range(self):
        [x] = arrays((2, 3, 4))
        x[0, 1, :3] = np.nan, np.inf, -np.inf
        model = self.save_model(run_case.identity("N", 3, 4))
        path = self.save("x.npy", x)
        [output] = self.report("--model", model, "--input", path)["outputs"]
        finite = x[np.isfinite(x)]
        self.assertEqual((output["nan"], output["infinite"]), (1, 2))
        self.assertEqual((output["min"], output["max"]), (finite.min(), finite.max()))
        self.assertAlmostEqual(output["mean"], float(finite.mean(dtype=np.float64)), 12)
        self.assertIn("1 NaN, 2 infinite", self.good("--model", model, "--input", path))
        x[...] = np.nan
        [output] = self.report("--model", model, "--input", self.save("x.npy", x))["outputs"]
        self.assertEqual((output["nan"], output["min"], output["mean"]), (24, 0, 0))

    def test_inputs_by_name_and_in_order(self):
        model = self.save_model(two_inputs())
        left, right = arrays((2, 3, 4), (2, 3, 4))
        a, b = self.save("a.npy", left), self.save("b=.npy", right)
        for words in ([a, b], [f"left={a}", f"right={b}"], [f"right={b}", a], [b, f"left={a}"]):
            with self.subTest(words):
                self.good("--model", model, "--input", *words, "--output", self.out)
                np.testing.assert_array_equal(np.load(self.out / "_net_a_0_2.npy"), left - right)
                np.testing.assert_array_equal(np.load(self.out / "_net_a_0.npy"), left + left)
        # Options that are given twice add up.
        self.good("--model", model, "--input", a, "--input", b)

    def test_names_with_an_equals_sign(self):
        model = self.save_model(run_case.model(
            [("Sub", ["a=b", "a"], ["y"], {})], [("a", (1, 2)), ("a=b", (1, 2))], ["y"]))
        x, y = self.save("x.npy", np.float32([[5, 6]])), self.save("y.npy", np.float32([[1, 1]]))
        self.good("--model", model, "--input", f"a=b={x}", f"a={y}", "--output", self.out)
        np.testing.assert_array_equal(np.load(self.out / "y.npy"), [[4, 5]])

    def test_random_inputs_are_numpys(self):
        model = self.save_model(two_inputs())
        numbers = np.random.RandomState(4294967295)
        left, right = (numbers.uniform(-1, 1, (1, 3, 4)).astype(np.float32) for _ in range(2))
        report = self.report("--model", model, "--random", 4294967295, "--output", self.out)
        np.testing.assert_array_equal(np.load(self.out / "_net_a_0.npy"), left + left)
        np.testing.assert_array_equal(np.load(self.out / "_net_a_0_2.npy"), left - right)
        self.assertEqual([i["source"] for i in report["inputs"]], ["random", "random"])

    def test_what_is_not_given_takes_the_batch_of_what_is(self):
        model = self.save_model(two_inputs())
        [right] = arrays((5, 3, 4))
        path = self.save("r.npy", right)
        self.good("--model", model, "--input", f"right={path}", "--zeros", "--output", self.out)
        np.testing.assert_array_equal(np.load(self.out / "_net_a_0_2.npy"), -right)
        self.good("--model", model, "--input", f"right={path}", "--random", 7, "--output", self.out)
        left = np.random.RandomState(7).uniform(-1, 1, (5, 3, 4)).astype(np.float32)
        np.testing.assert_array_equal(np.load(self.out / "_net_a_0_2.npy"), left - right)

    def test_table_and_times(self):
        model = self.save_model(two_inputs((1, 3, 4), (1, 3, 4)))
        lines = self.good("--model", model, "--zeros", "--repeat", 3).splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[0], r"^output +shape +min +max +mean +not finite$")
        self.assertRegex(lines[1], r"^/net/a:0 +\[1, 3, 4\] +0 +0 +0 +none$")
        self.assertRegex(lines[3], r"^3 runs, median \d+\.\d{3} ms, 10% to 90%: \d+\.\d{3} to "
                                   r"\d+\.\d{3} ms, target \w+, 1 thread$")
        self.assertEqual(self.report("--model", model, "--zeros", "--repeat", 3)["times"]["runs"], 3)
        self.assertNotIn("times", self.report("--model", model, "--zeros"))

    def test_targets(self):
        message = self.bad("--model", DEMO, "--zeros", "--target", "mmx", names=["'mmx'"])
        for target in message.rsplit(": ", 1)[-1].replace(",", " ").replace(";", " ").split():
            result = self.run_app("--json", "--model", DEMO, "--zeros", "--target", target)
            if result.returncode == 0:
                self.assertIn(f'"target":"{target}"'.encode(), result.stdout)

    def test_version_and_help(self):
        self.assertRegex(self.good("--version"), r"^run \d+\.\d+\.\d+\n$")
        self.assertIn("--tolerance", self.good("--help"))


def symbolic(height="H", width="W"):
    """Twice the size, by a transposed convolution whose outputs a pool halves in one direction."""
    weights = np.random.default_rng(4).normal(size=(3, 5, 2, 2)).astype(np.float32)
    return run_case.model([("ConvTranspose", ["x", "w"], ["t"], {"strides": [2, 2]}),
                           ("MaxPool", ["t"], ["y"], {"kernel_shape": [2, 1], "strides": [2, 1]})],
                          [("x", ("N", 3, height, width))], ["y"], [("w", weights)])


class Sizes(run_case.Case):
    """Files whose height and width are symbolic."""

    def test_the_size_is_the_first_tensors(self):
        model = self.save_model(symbolic())
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        for shape in ((2, 3, 7, 10), (1, 3, 16, 5)):
            [x] = arrays(shape)
            [expected] = session.run(None, {"x": x})
            path, wanted = self.save("x=.npy", x), self.save("y.npy", expected)
            for words in ([path], [f"x={path}"], [path, "--size", f"{shape[2]}x{shape[3]}"]):
                report = self.report("--model", model, "--input", *words, "--expect", wanted)
                self.assertEqual(report["outputs"][0]["shape"], [shape[0], 5, shape[2], 2 * shape[3]])

    def test_the_size_is_given(self):
        model = self.save_model(symbolic("H", 9))
        report = self.report("--model", model, "--zeros", "--size", "6x9")
        self.assertEqual(report["inputs"][0]["shape"], [1, 3, 6, 9])

    def test_refusals(self):
        model = self.save_model(symbolic())
        self.bad("--model", model, "--zeros", names=["'H' (axis 2), 'W' (axis 3)", "--size"])
        for text in ("6", "6x", "x6", "6x0", "6x-1", "6x9x9", "6X9", "a", "32769x1", "99999999999999x1"):
            self.bad("--model", model, "--zeros", "--size", text, names=["--size", f"'{text}'"])
        [x] = arrays((1, 3, 7, 10))
        self.bad("--model", model, "--input", self.save("x.npy", x), "--size", "6x9",
                 names=["x.npy", "[1, 3, 7, 10]", "'x' [N, 3, 6, 9]"])
        fixed = self.save_model(symbolic(6, 9), "fixed.onnx")
        self.bad("--model", fixed, "--zeros", "--size", "9x6", names=["of 6x9", "9x6"])
        self.bad("--model", self.save_model(run_case.identity(1, 4)), "--zeros", "--size", "9x6",
                 names=["takes no images"])


class Images(run_case.Case):
    """Images in the place of tensors."""

    def setUp(self):
        super().setUp()
        pixels = np.random.default_rng(6).integers(0, 256, (11, 16, 3), np.uint8)
        self.image = self.folder / "photo.png"
        self.pixels = Image.fromarray(pixels)
        self.pixels.save(self.image)

    def read(self, model, *words):
        report = self.report("--model", model, "--input", *words, "--output", self.out)
        return report, np.load(self.out / "y.npy")

    def test_an_image_of_the_inputs_size_is_taken_as_it_is(self):
        model = self.save_model(run_case.identity("N", 3, "H", "W"))
        report, found = self.read(model, f"x={self.image}", "--size", "11x16")
        expected = np.asarray(self.pixels, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
        np.testing.assert_array_equal(found, expected)
        self.assertEqual(report["inputs"],
                         [{"name": "x", "shape": [1, 3, 11, 16], "source": str(self.image)}])

    def test_metadata_and_options_prepare_it(self):
        built = run_case.identity(1, 3, 6, 5)
        onnx.helper.set_model_props(built, {
            "sluice.mean": "[0.5, 0.25, 0]", "sluice.std": "[1, 0.5, 2]",
            "sluice.resize_shorter_side": "7", "sluice.interpolation": '"bicubic"'})
        scaled = self.pixels.resize((10, 11), Image.Resampling.BICUBIC).resize(
            (10, 7), Image.Resampling.BICUBIC).crop((2, 0, 7, 6))  # halves are rounded to even
        samples = np.asarray(scaled, np.float32) / np.float32(255)

        def normalised(mean, deviation):
            return ((samples - np.float32(mean)) / np.float32(deviation)).transpose(2, 0, 1)[None]

        _, found = self.read(self.save_model(built), self.image)
        np.testing.assert_allclose(found, normalised([0.5, 0.25, 0], [1, 0.5, 2]), rtol=1e-6, atol=1e-7)
        plain = self.save_model(run_case.identity(1, 3, 6, 5), "plain.onnx")
        _, found = self.read(plain, self.image, "--mean", "0.5,0.5,0.5", "--std", "2,2,2",
                             "--resize", 7, "--interpolation", "bicubic")
        np.testing.assert_allclose(found, normalised([0.5] * 3, [2] * 3), rtol=1e-6, atol=1e-7)

    def test_bytes(self):
        built = run_case.model([("DequantizeLinear", ["x", "s", "z"], ["y"], {})],
                               [("x", (1, 3, 11, 16))], ["y"],
                               [("s", np.float32(0.5)), ("z", np.uint8(3))])
        built.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
        _, found = self.read(self.save_model(built), self.image)
        expected = (np.asarray(self.pixels, np.float32).transpose(2, 0, 1)[None] - 3) / 2
        np.testing.assert_array_equal(found, expected)

    def test_refusals(self):
        for shape in ((1, 1, 11, 16), (2, 3, 11, 16), (1, 3, 11)):
            model = self.save_model(run_case.identity(*shape))
            self.bad("--model", model, "--input", self.image, names=[self.image, "give a .npy file"])
        model = self.save_model(run_case.identity(1, 3, 11, 16))
        self.image.write_bytes(b"no image")
        self.bad("--model", model, "--input", self.image, names=[self.image])
        self.bad("--model", model, "--input", self.image, "--mean", "1", names=["--mean"])
        symbolic_model = self.save_model(run_case.identity(1, 3, "H", "W"))
        self.bad("--model", symbolic_model, "--input", self.image, names=["--size"])


class Expectations(run_case.Case):
    def setUp(self):
        super().setUp()
        self.model = self.save_model(run_case.identity(1, 4))

    def compare(self, values, expected, *options, code):
        report = self.report(
            "--model", self.model, "--input", self.save("x.npy", np.float32([values])), "--expect",
            self.save("y.npy", np.float32([expected])), *options, code=code)
        expectation = report["outputs"][0]["expectation"]
        self.assertEqual(expectation["passes"], code == 0)
        return expectation

    def test_tolerance_is_relative_to_the_largest_expected_value(self):
        # 0.0078125 of 100 is within 1e-4, of 10 it is not.
        self.compare([1.0078125, 0, 0, 100], [1, 0, 0, 100], code=0)
        found = self.compare([1.0078125, 0, 0, 10], [1, 0, 0, -10], "--tolerance", 2, code=0)
        self.assertEqual((found["largest_difference"], found["relative_difference"]), (20, 2))
        found = self.compare([1.0078125, 0, 0, 10], [1, 0, 0, 10], code=1)
        self.assertEqual(found["relative_difference"], 0.00078125)
        self.compare([1.0078125, 0, 0, 10], [1, 0, 0, 10], "--tolerance", 0.001, code=0)
        self.compare([1, 2, 3, 4], [1, 2, 3, 4], "--tolerance", 0, code=0)

    def test_all_zeros(self):
        self.compare([0, 0, -0.0, 0], [0, 0, 0, 0], code=0)
        self.compare([0, 0, 1e-9, 0], [0, 0, 0, 0], code=1)

    def test_values_that_are_not_finite(self):
        nan, inf = np.nan, np.inf
        found = self.compare([nan, inf, -inf, 1], [nan, inf, -inf, 1], code=0)
        self.assertEqual(found["largest_difference"], 0)
        self.compare([nan] * 4, [nan] * 4, code=0)
        for values, expected in (([nan, 1, 1, 1], [1, 1, 1, 1]), ([1, 1, 1, 1], [nan, 1, 1, 1]),
                                 ([inf, 1, 1, 1], [-inf, 1, 1, 1]), ([inf, 1, 1, 1], [nan, 1, 1, 1]),
                                 ([1, 1, 1, 1], [inf, 1, 1, 1]), ([nan, 1, 1, 1], [inf, 1, 1, 1])):
            with self.subTest(values=values, expected=expected):
                self.compare(values, expected, "--tolerance", 1e30, code=1)

    def test_another_shape(self):
        x = self.save("x.npy", np.float32([[1, 2, 3, 4]]))
        y = self.save("y.npy", np.float32([1, 2, 3, 4]))
        self.assertIn("needs the shape [4]",
                      self.good("--model", self.model, "--input", x, "--expect", y, code=1))
        report = self.report("--model", self.model, "--input", x, "--expect", y, code=1)
        self.assertEqual(report["outputs"][0]["expectation"]["needed_shape"], [4])

    def test_outputs_are_written_and_shown_where_they_fail(self):
        x = self.save("x.npy", np.float32([[1, 2, 3, 4]]))
        y = self.save("y.npy", np.float32([[1, 2, 3, 5]]))
        text = self.good("--model", self.model, "--input", x, "--expect", y, "--output", self.out,
                         code=1)
        self.assertRegex(text, r"\n *y +\[1, 4\] +1 +4 +2.5 +none +1 +0.2 +FAILS\n")
        np.testing.assert_array_equal(np.load(self.out / "y.npy"), [[1, 2, 3, 4]])

    def test_one_of_two_outputs_by_name(self):
        model = self.save_model(two_inputs((1, 2, 2), (1, 2, 2)))
        zeros = self.save("z.npy", np.zeros((1, 2, 2)))
        text = self.good("--model", model, "--zeros", "--expect", f"_net_a_0={zeros}")
        self.assertRegex(text, r"/net/a:0 .*not compared\n_net_a_0 .*passes\n")
        self.bad("--model", model, "--zeros", "--expect", *[zeros] * 3, names=["--expect"])


class BadInput(run_case.Case):
    def setUp(self):
        super().setUp()
        self.model = self.save_model(two_inputs())
        self.x = self.save("x.npy", np.zeros((2, 3, 4), np.float32))

    def test_command_lines(self):
        self.bad(names=["--model"])
        for words in (["--nonsense"], ["--repeat", 0], ["--threads", 0], ["--threads", 257],
                      ["--random", -1], ["--random", 2**32], ["--random", 1, "--zeros"],
                      ["--tolerance", 1], ["--expect", self.x, "--tolerance", -1],
                      ["--expect", self.x, "--tolerance", "nan"],
                      ["--expect", self.x, "--tolerance", "inf"]):
            with self.subTest(words):
                self.bad("--model", self.model, *words, names=[words[-2 if len(words) > 1 else 0]]
                         if "--zeros" not in words else [])

    def test_inputs(self):
        self.bad("--model", self.model, names=["'left' [N, 3, 4], 'right' [N, 3, 4]", "--random"])
        self.bad("--model", self.model, "--input", self.x, names=["given: 'right' [N, 3, 4]"])
        self.bad("--model", self.model, "--input", *[self.x] * 3, names=["too many", "'left'"])
        self.bad("--model", self.model, "--input", f"left={self.x}", f"left={self.x}",
                 names=["'left'", "twice"])
        self.bad("--model", self.model, "--input", f"middle={self.x}", names=["middle=", "'left'"])
        other = self.save("other.npy", np.zeros((3, 3, 4), np.float32))
        self.bad("--model", self.model, "--input", self.x, other, names=[other, "'N' = 2"])

    def test_models(self):
        self.bad("--model", self.folder / "none.onnx", "--zeros", names=["none.onnx"])
        self.bad("--model", self.x, "--zeros", names=[self.x])
        det = self.save_model(run_case.model([("Det", ["x"], ["y"], {})], [("x", (1, 2, 2))], ["y"]))
        self.bad("--model", det, "--zeros", names=[det, "Det"])


class OutputFiles(run_case.Case):
    def setUp(self):
        super().setUp()
        self.model = self.save_model(two_inputs())

    def test_names(self):
        names = ["a", "a/b", "a_b", "a:b", ".hidden", "..", "\u00e9\n", "x" * 300, "A", "a_b_2"]
        model = self.save_model(run_case.model(
            [("Add", ["x", "x"], [name], {}) for name in names], [("x", (1, 2))], names))
        self.good("--model", model, "--zeros", "--output", self.out)
        self.assertEqual(sorted(p.name[:-4] for p in self.out.iterdir()),
                         sorted(["a", "a_b_3", "a_b", "a_b_4", "_hidden", "_.", "___", "x" * 200, "A",
                                 "a_b_2"]))

    def test_folders_that_cannot_be_written(self):
        file = self.folder / "file"
        file.write_text("")
        # Nobody, root included, can make a file in /proc.
        for path in (file, file / "x", "/proc", "/proc/x"):
            self.bad("--model", self.model, "--zeros", "--output", path, names=[path])

    def test_a_failure_leaves_no_output(self):
        # The second output's place is taken by a folder.
        (self.out / "_net_a_0.npy").mkdir(parents=True)
        self.bad("--model", self.model, "--zeros", "--output", self.out, names=["_net_a_0.npy"])
        self.assertEqual([self.out / "_net_a_0.npy"], list(self.out.iterdir()))

    def test_a_full_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        # What the run leaves on the disk is listed on standard output, which has to be empty.
        within = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=8k none "$0" || exit; '
                  '"$@"; code=$?; ls -A "$0"; exit $code', str(disk)]
        if subprocess.run([*within, "true"], stderr=subprocess.PIPE).returncode != 0:
            self.skipTest("cannot mount here")
        model = self.save_model(two_inputs((1, 32, 32), (1, 32, 32)))
        self.bad("--model", model, "--zeros", "--output", disk, within=within, names=[disk, "space"])

    def test_standard_output_that_cannot_be_written(self):
        for words in (["--model", self.model, "--zeros"], ["--help"]):
            with open("/dev/full", "wb") as full:
                self.bad(*words, stdout=full, names=["standard output"])
            self.bad(*words, stdout=None, preexec_fn=lambda: os.close(1), names=["standard output"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
