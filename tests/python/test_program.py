"""The command sluice: its programs, and how the package starts it.

    test_program.py PROGRAM
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import case
import sluice.__main__

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
SAMPLE = case.ROOT / "apps" / "samples" / "cat_0000.png"


class Program(case.Case):
    command = (str(PROGRAM),)

    def start(self, *arguments):
        return subprocess.run([*self.command, *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=300)

    def good(self, *arguments):
        result = self.start(*arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result)
        return result.stdout

    def test_classify(self):
        said = json.loads(self.good("classify", "--model", case.GATED_INT8, "--json", SAMPLE))
        self.assertIn("cat", json.dumps(said))

    def test_run(self):
        x = case.images(1)
        np.save(self.folder / "x.npy", x)
        np.save(self.folder / "y.npy", case.answers(case.GATED, {"input": x})[0])
        arguments = ("run", "--model", case.GATED, "--input", self.folder / "x.npy")
        self.good(*arguments, "--expect", self.folder / "y.npy")
        np.save(self.folder / "y.npy", np.zeros((1, 10), np.float32))
        self.assertEqual(self.start(*arguments, "--expect", self.folder / "y.npy").returncode, 1)

    def test_explain(self):
        path = self.save(case.small_net())  # no classifier
        for arguments in (("explain", "--model", path), ("run", "--explain", "--model", path)):
            self.assertEqual(self.good(*arguments), sluice.Model(path).explain())

    def test_benchmark_starts_itself_as_a_worker(self):
        self.assertIn("sluice", self.good("benchmark", "--no-pin", "--seconds", "0.01", "--model",
                                          case.GATED_INT8))

    def test_help_and_version(self):
        for word in ("--help", "-h"):
            for command in ("classify", "run", "benchmark", "explain"):
                self.assertIn(command, self.good(word))
        self.assertEqual(self.good("--version"), f"sluice {sluice.__version__}\n")
        self.assertIn("--model", self.good("explain", "--help"))

    def test_bad_commands(self):
        for arguments, said in (((), "no command;"), (("clasify",), "no command 'clasify';")):
            result = self.start(*arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(said, result.stderr)
        result = self.start("explain", "--model", self.folder / "none.onnx")
        self.assertEqual(result.returncode, 2)
        self.assertIn("none.onnx", result.stderr)


class Module(Program):
    """The same of python -m sluice, with the program where the wheel has it."""

    command = (sys.executable, "-m", "sluice")

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        package = pathlib.Path(holder.name) / "sluice"
        package.mkdir()
        for part in pathlib.Path(sluice.__file__).parent.iterdir():
            if part.name != "bin":
                (package / part.name).symlink_to(part.resolve())
        (package / "bin").mkdir()
        (package / "bin" / "sluice").symlink_to(PROGRAM)
        cls.missing = package / "bin" / "sluice"
        before = os.environ["PYTHONPATH"]
        os.environ["PYTHONPATH"] = holder.name
        cls.addClassCleanup(os.environ.__setitem__, "PYTHONPATH", before)

    def test_the_program_is_missing(self):
        self.missing.unlink()
        self.addCleanup(self.missing.symlink_to, PROGRAM)
        result = self.start("--version")
        self.assertEqual(result.returncode, 2)
        self.assertIn("install the package again", result.stderr)


if __name__ == "__main__":
    unittest.main()
