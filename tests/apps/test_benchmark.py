"""Runs the built benchmark as its users do, with engines that are right, wrong and broken.

    test_benchmark.py CHECKOUT [EMULATOR] PATH_OF_BENCHMARK
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from PIL import Image

import classify_models as models

CHECKOUT = pathlib.Path(sys.argv[1])
BENCHMARK = sys.argv[2:]
EMULATED = len(BENCHMARK) > 1
LCCL = CHECKOUT / "tests/networks/resnet20_lccl_cifar10.onnx"
SAMPLES = CHECKOUT / "apps/samples"
FAST = ("--seconds", "0.05")
FORM = ["network", "variant", "engine", "target", "precision", "threads", "batch", "median_ms",
        "p10_ms", "p90_ms", "macs", "macs_executed", "peak_rss_mb", "load_ms", "agrees"]


def benchmark(*arguments, **keywords):
    environment = {k: v for k, v in os.environ.items() if k != "SLUICE_TARGET"}
    environment.update(keywords.pop("environment", {}))
    keywords.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([*BENCHMARK, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, env=environment, timeout=600, **keywords)


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.json = self.folder / "out.json"
        # Inputs of the workers go here, and must be gone after each run.
        self.temporary = self.folder / "temporary"
        self.temporary.mkdir()

    def save(self, name, model):
        path = self.folder / name
        onnx.save(model, path)
        return path

    def run_benchmark(self, *arguments, **keywords):
        environment = {"TMPDIR": str(self.temporary), **keywords.pop("environment", {})}
        result = benchmark(*arguments, environment=environment, **keywords)
        self.assertEqual([], list(self.temporary.glob("benchmark-*")))
        self.assertEqual([], list(self.folder.rglob("*.part*")))
        return result

    def report(self, *arguments, code=0, **keywords):
        result = self.run_benchmark(*arguments, *FAST, "--json", self.json, **keywords)
        self.assertEqual((result.returncode, result.stderr), (code, b""), result)
        return json.loads(self.json.read_text())

    def bad(self, *arguments, names=()):
        """Exit 2, one line on standard error that names the fault and a remedy, no file."""
        self.json.write_text("as it was")
        result = self.run_benchmark(*arguments, *FAST, "--json", self.json)
        message = result.stderr.decode()
        self.assertEqual(result.returncode, 2, result)
        self.assertRegex(message, r"\Abenchmark: [^\n]*; [^\n]+\n\Z")
        for name in names:
            self.assertIn(str(name), message)
        self.assertEqual(self.json.read_text(), "as it was")
        return result


@unittest.skipIf(EMULATED, "workers are started by the path of the program, without the emulator")
class Sizes(Case):
    def test_a_symbolic_size_is_given(self):
        model = self.save("symbolic.onnx", models.mean_colour(("N", 3, "H", "W")))
        [row] = self.report("--model", model, "--size", "6x12")["results"]
        self.assertGreater(row["median_ms"], 0)
        self.bad("--model", model, names=["--size HxW"])
        self.bad("--model", model, "--size", "6", names=["--size", "'6'"])
        self.bad("--model", LCCL, "--size", "6x12", names=["of 32x32", "6x12"])


class Kernels(Case):
    def test_rows(self):
        report = self.report("kernels", "--shapes", "4x8x16,2x2x24", "--densities", "1.0,0.5",
                             "--html", self.folder / "page.html",
                             "--markdown", self.folder / "page.md")
        self.assertGreater(report["machine"]["fma_peak_gflops"], 0)
        self.assertEqual(report["results"], [])
        timed = [row for row in report["kernels"] if row["median_ms"] is not None]
        self.assertEqual({row["density"] for row in timed}, {1.0, 0.5})
        # The positions of two tiles, and of one.
        self.assertEqual({row["active"] for row in timed if row["channels"] == 16}, {32, 16})
        for row in timed:
            inputs = 1 if "depthwise" in row["family"] else row["channels"]
            macs = 9 * inputs * row["channels"] * row["active"]
            self.assertAlmostEqual(row["gflops"] / (2e-6 * macs / row["median_ms"]), 1, 3)
            self.assertIsNone(row["problem"])
        compared = [row for row in timed if row["speed_up"] is not None]
        self.assertEqual([row["family"] for row in compared],
                         ["dense_winograd", *4 * ["gated_winograd"]])  # gated: own and generic
        self.assertEqual({row["problem"] for row in report["kernels"]} - {None},
                         {"generic only", "smaller than a tile"})
        self.assertIn("<svg", (self.folder / "page.html").read_text())
        self.assertIn("## Kernels", (self.folder / "page.md").read_text())

    def test_bad_targets(self):
        self.bad("kernels", "--target", "mmx", names=["'mmx'"])


@unittest.skipIf(EMULATED, "workers are started by the path of the program, without the emulator")
class Networks(Case):
    def test_own_engine_alone(self):
        report = self.report("--model", LCCL, "--data", SAMPLES, "--layers")
        [row] = report["results"]
        self.assertEqual(list(row)[:len(FORM)], FORM)
        self.assertEqual((row["network"], row["variant"], row["engine"], row["precision"]),
                         ("resnet20_cifar10", "lccl", "sluice", "fp32"))
        self.assertEqual((row["threads"], row["batch"], row["weights"], row["inputs"]),
                         (1, 1, "trained", "images"))
        self.assertIsNone(row["agrees"])
        # The model's card.
        self.assertEqual(row["macs"], 40551040)
        self.assertLess(row["macs_executed"], row["macs"])
        self.assertLessEqual(row["p10_ms"], row["median_ms"])
        self.assertLessEqual(row["median_ms"], row["p90_ms"])
        self.assertGreater(row["load_ms"], row["p10_ms"])
        self.assertTrue(1 < row["idle_rss_mb"] <= row["peak_rss_mb"] < 500)
        self.assertEqual(len(report["layers"]), 18)
        for layer in report["layers"]:
            # Each has its branch: 1/16, 1/32 or 1/64 of the dense MACs.
            self.assertGreater(layer["branch_ms"], 0)
            self.assertIn(layer["dense_kernel"], ("dense_conv", "dense_winograd"))
            branch = 1 / int(layer["shape"].split("-> ")[1].split("x")[0])
            executed = 1 / layer["theoretical"] - branch
            if "/conv2/" in layer["layer"]:  # which its input's gate may spare more than its own
                self.assertLess(executed, layer["density"] + 0.001)
                self.assertGreater(executed, 0)
            else:
                self.assertAlmostEqual(executed, layer["density"], 3)
        executed = sum(step["macs"] for step in report["steps"])
        self.assertAlmostEqual(executed / row["macs_executed"], 1, 5)

    def test_onnx_runtime_agrees(self):
        report = self.report("--model", LCCL, "--data", SAMPLES, "--peers", "onnxruntime",
                             "--peer-python", sys.executable, "--batch", 2)
        ours, peer = report["results"]
        self.assertEqual((ours["agrees"], peer["agrees"]), (True, True))
        self.assertEqual((peer["engine"], peer["target"], peer["batch"]), ("onnxruntime", None, 2))
        # It skips nothing, and computes the branches too: 1,492,992 MACs of the model's card.
        self.assertEqual(peer["macs_executed"], 40551040 + 1492992)
        self.assertGreater(peer["peak_rss_mb"], peer["idle_rss_mb"])

    def test_inputs_and_weights(self):
        metadata = {"sluice.weights": "synthetic", "sluice.mean": "[0, 0, 0]"}
        model = self.save("net_dense_synthetic.onnx", models.mean_colour(metadata=metadata))
        Image.new("RGB", (8, 8), (10, 20, 30)).save(self.folder / "image.png")
        [row] = self.report("--model", model, "--data", self.folder)["results"]
        self.assertEqual((row["network"], row["variant"], row["weights"], row["inputs"]),
                         ("net", "dense", "synthetic", "images"))
        [row] = self.report("--model", model)["results"]
        self.assertEqual(row["inputs"], "random normal")


@unittest.skipIf(EMULATED, "workers are started by the path of the program, without the emulator")
class Peers(Case):
    def setUp(self):
        super().setUp()
        self.model = self.save("colour.onnx", models.mean_colour())
        self.python = self.folder / "fake"
        self.python.write_text(f"#!/bin/sh\nexec '{sys.executable}' "
                               f"'{pathlib.Path(__file__).with_name('fake_peer.py')}' \"$@\"\n")
        self.python.chmod(0o755)

    def rows(self, mode, code=0, peers="openvino"):
        return self.report("--model", self.model, "--peers", peers, "--peer-python", self.python,
                           code=code, environment={"FAKE_PEER": mode})["results"]

    def test_right(self):
        ours, peer = self.rows("right")
        self.assertEqual((ours["agrees"], peer["agrees"]), (True, True))
        self.assertEqual((peer["median_ms"], peer["p90_ms"]), (1.0, 1.0))
        self.assertEqual(peer["load_ms"], 1.5)

    def test_wrong_answers_get_no_times(self):
        # Who is the reference can be told from two only: the first peer.
        for mode in ("wrong", "short", "nan"):
            with self.subTest(mode):
                ours, peer = self.rows(mode, code=2)
                self.assertFalse(ours["agrees"])
                self.assertIn("wrong answer", ours["problem"])
                self.assertIn("openvino", ours["problem"])
                for key in ("median_ms", "p10_ms", "p90_ms", "gflops"):
                    self.assertIsNone(ours[key])

    def test_engines_that_fail_are_named_and_the_others_go_on(self):
        for mode, reason in (("refuses", "not available: no such operator"),
                             ("dies", "not available: its process was ended by signal Seg"),
                             ("silent", "not available: its process ended with status 0"),
                             ("babbles", "not available: gave an answer"),
                             ("dies later", "its process ended with status 3")):
            with self.subTest(mode):
                ours, peer = self.rows(mode)
                self.assertGreater(ours["median_ms"], 0)
                self.assertIsNone(peer["median_ms"])
                self.assertTrue(peer["problem"].startswith(reason), peer["problem"])

    def test_peers_that_are_not_installed(self):
        report = self.report("--model", self.model, "--peers", "ncnn,onnxruntime",
                             "--peer-python", self.folder / "no/python")
        self.assertEqual(len(report["results"]), 3)
        for row in report["results"][1:]:
            self.assertEqual(row["problem"], "not available: its program cannot be executed")
        [_, row] = self.report("--model", self.model, "--peers", "ncnn", "--peer-python",
                               sys.executable)["results"]
        self.assertIn("not available: not installed", row["problem"])
        self.assertIn("make peers", row["problem"])


class BadInput(Case):
    def test_models(self):
        self.bad("--model", self.folder / "missing.onnx", names=["missing.onnx"])
        damaged = self.folder / "damaged.onnx"
        for content in (b"", b"\x08", LCCL.read_bytes()[:5000], bytes(range(256))):
            damaged.write_bytes(content)
            self.bad("--model", damaged, names=[damaged])
        self.bad("--model", LCCL, damaged, names=[damaged])
        self.bad("--model", self.save("det.onnx", models.unsupported()), names=["Det"])

    @unittest.skipIf(EMULATED, "slow under the emulator")
    def test_data_and_batch(self):
        empty = self.folder / "empty"
        empty.mkdir()
        self.bad("--model", LCCL, "--data", empty, names=[empty])
        self.bad("--model", LCCL, "--data", self.folder / "none", names=["none"])
        (empty / "a.png").write_bytes(b"nonsense")
        self.bad("--model", LCCL, "--data", empty, names=["a.png"])
        fixed = self.save("fixed.onnx", models.mean_colour((1, 3, 8, 8)))
        self.bad("--model", fixed, "--batch", 4, names=[fixed, "batches of 1"])

    def test_outputs_that_cannot_be_written(self):
        for flag in ("--html", "--markdown"):
            self.bad("--model", LCCL, flag, self.folder / "no/such/file", names=["no/such/file"])
        with open("/dev/full", "wb") as full:
            result = self.run_benchmark("--help", stdout=full)
            self.assertEqual(result.returncode, 2)

    def test_command_lines(self):
        self.bad(names=["--model"])
        self.bad("--model", LCCL, "--peers", "tensorflow", names=["tensorflow"])
        self.bad("--model", LCCL, "--target", "mmx", names=["'mmx'"])
        self.bad("kernels", "--shapes", "1x2", names=["1x2"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
