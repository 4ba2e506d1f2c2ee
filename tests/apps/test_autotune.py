"""Runs the built autotune as its users do, in seconds: a short search, an interrupt, bad input.

    test_autotune.py CHECKOUT PATH_OF_AUTOTUNE
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

CHECKOUT = pathlib.Path(sys.argv[1])
AUTOTUNE = sys.argv[2]
DEMO = CHECKOUT / "tests/networks/resnet20_lccl_cifar10.onnx"
DENSE = CHECKOUT / "models/resnet20_dense_cifar10.onnx"
SAMPLES = CHECKOUT / "apps/samples"


def start(*arguments):
    environment = {k: v for k, v in os.environ.items() if k != "SLUICE_TARGET"}
    return subprocess.Popen([AUTOTUNE, *map(str, arguments)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                            text=True)


def finish(process):
    output, message = process.communicate(timeout=300)
    return process.returncode, output, message


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.numbers = self.folder / "numbers.json"
        self.evidence = self.folder / "evidence/numbers.json"

    def bad(self, *arguments, names=()):
        """Exit 2, one line on standard error that names the fault and a remedy, nothing else."""
        code, output, message = finish(start(*arguments))
        self.assertEqual((code, output), (2, ""), message)
        self.assertRegex(message, r"\Aautotune: [^\n]*; [^\n]+\n\Z")
        for name in names:
            self.assertIn(str(name), message)
        self.assertEqual([], list(self.folder.rglob("*.json")))


class Runs(Case):
    def test_short_run_goes_on_and_reports(self):
        # A few kernels: the budget begins with the present schedules of all.
        arguments = ("--model", DEMO, "--data", SAMPLES, "--output", self.numbers,
                     "--kernel", "gated_conv_*_position", "sparse_conv_f32_3x3_c16")
        code, output, message = finish(start(*arguments, "--budget", 15))
        self.assertEqual(code, 0, message)
        self.assertIn("densities: of the images in samples", message)
        self.assertRegex(message, r"gated_conv_f32_3x3_c64_position: \d+ tried")
        kept = json.loads(self.evidence.read_text())
        # How far it comes depends on the machine.
        self.assertGreater(max(len(evidence["tried"]) for evidence in kept.values()), 1)
        gated = kept["gated_conv_f32_3x3_c16_position"]
        # Three densities of each of its two layer shapes, as the images have them.
        self.assertEqual(6, len(gated["layers"]))
        for layer in gated["layers"]:
            self.assertTrue(0 < layer["density"] < 1, layer)
            positions = 16 * 16 if "by 2x2" in layer["shape"] else 32 * 32
            outputs = 32 if "by 2x2" in layer["shape"] else 16
            macs = layer["density"] * positions * outputs * 16 * 9
            self.assertAlmostEqual(macs / layer["macs"], 1, 2)
        self.assertGreater(kept["sparse_conv_f32_3x3_c16"]["break_even"]["measured"], 0)
        self.assertIn("GFLOPS", output)

        code, report, message = finish(start("--report", "--output", self.numbers))
        self.assertEqual((code, message), (0, ""))
        self.assertEqual(report.splitlines()[0], output.splitlines()[0])
        self.assertIn("gated_conv_f32_3x3_c16_position", report)

        # What was tried is not tried again.
        code, output, message = finish(start(*arguments, "--budget", 2))
        self.assertEqual(code, 0, message)
        after = json.loads(self.evidence.read_text())
        for kernel, evidence in kept.items():
            self.assertLessEqual(evidence["tried"].keys(), after[kernel]["tried"].keys())

    def test_kernels_named_are_tuned_alone(self):
        # The dense network has none of them.
        code, _, message = finish(start("--model", DENSE, DEMO, "--kernel", "branch_f32_3x3_*",
                                        "--budget", 4, "--output", self.numbers))
        self.assertEqual(code, 0, message)
        kept = json.loads(self.evidence.read_text())
        self.assertEqual({"branch_f32_3x3_c16", "branch_f32_3x3_c32", "branch_f32_3x3_c64"}, set(kept))
        for evidence in kept.values():
            self.assertGreater(max(layer["after_ms"] for layer in evidence["layers"]), 0)

    def test_interrupt(self):
        process = start("--model", DEMO, "--budget", 200, "--output", self.numbers)
        deadline = time.monotonic() + 100
        while not self.evidence.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        code, _, message = finish(process)
        self.assertEqual(code, 130, message)
        self.assertIn("interrupted", message)
        self.assertTrue(json.loads(self.evidence.read_text()))
        left = [p for p in self.folder.rglob("*") if p.is_file()]
        self.assertLessEqual(set(left), {self.numbers, self.evidence})


class BadInput(Case):
    def test_arguments(self):
        out = ("--output", self.numbers)
        self.bad(*out, names=["--model"])
        self.bad("--model", self.folder / "none.onnx", *out, names=["none.onnx"])
        self.bad("--model", DEMO, "--target", "sparc", *out, names=["sparc", "avx2"])
        self.bad("--model", DEMO, "--budget", "soon", *out)
        self.bad("--model", DEMO, "--data", self.folder / "nowhere", *out, names=["nowhere"])
        self.bad("--model", DEMO, "--kernel", "linear_f32_any", "c16", *out, names=["'c16'"])
        self.bad("--report", *out, names=["evidence"])

    def test_files(self):
        text = self.folder / "text.onnx"
        text.write_text("no network")
        self.bad("--model", text, "--output", self.numbers, names=[text])
        damaged = self.folder / "damaged"
        damaged.write_text("{")
        self.bad("--model", DEMO, "--output", damaged, names=[damaged])

    def test_help(self):
        code, output, message = finish(start("--help"))
        self.assertEqual((code, message), (0, ""))
        for option in ("--model", "--data", "--kernel", "--target", "--threads", "--budget", "--output"):
            self.assertIn(option, output)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
