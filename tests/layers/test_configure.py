"""CMake with SLUICE_MODELS and SLUICE_TUNED: what it builds, whose numbers count, what it refuses."""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import onnx

import nets

SOURCE, CMAKE = Path(sys.argv[1]), sys.argv[2]
del sys.argv[1:]


class Configure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.kept.name)
        cls.addClassCleanup(cls.kept.cleanup)
        onnx.save(nets.packed_network(), cls.folder / "packed.onnx")
        onnx.save(nets.gated_network(), cls.folder / "gated.v2.onnx")

    def configure(self, models, tuned=""):
        result = subprocess.run(
            [CMAKE, "--preset", "release", "-B", self.folder / "build", "-DSLUICE_TESTS=OFF",
             "-DSLUICE_TARGETS=avx2", f"-DSLUICE_MODELS={models}", f"-DSLUICE_TUNED={tuned}"],
            cwd=SOURCE, capture_output=True, text=True, check=False)
        return result.returncode, " ".join(result.stderr.split())

    def kernels(self):
        """The rows of the registry, by name."""
        table = (self.folder / "build/runtime/kernels/kernel_table.cpp").read_text()
        return {row.split('"')[1]: row for row in re.findall(r"    \{.*Algorithm::.*", table)}

    def listed(self):
        return json.loads((self.folder / "build/runtime/kernels/kernels.json").read_text())

    def test_layers_get_kernels_and_own_numbers_count(self):
        tuned = self.folder / "numbers"
        tuned.mkdir()
        own = {"gated_conv_f32": {"pixels": 5}, "gated_conv_f32_3x3_c24_none": {"vectors": 3},
               "gated_conv_f32_9x9_c7_none": {"vectors": 2}}  # the last is another build's
        (tuned / "avx2.json").write_text(json.dumps(own))
        models = f"{self.folder / 'packed.onnx'};{self.folder / 'gated.v2.onnx'}"
        code, errors = self.configure(models, tuned)
        self.assertEqual(code, 0, errors)
        kernels = self.kernels()
        self.assertRegex(kernels["gated_conv_f32_3x3_c24_none__avx2"],
                         "kernel = 3, .channels = 24, .pixels = 5, .vectors = 3")
        # Whatever schedules/tuned calls the row that has it.
        self.assertIn(".pixels = 5", kernels["gated_conv_f32_3x3_c64_none__avx2"])
        self.assertIn("gated_conv_f32_5x5_c3_none__avx2", kernels)
        self.assertIn("gated_conv_f32_3x3_c24_none", self.listed()["kernels"])
        self.assertEqual([Path(folder) for folder in self.listed()["tuned"]],
                         [SOURCE / "schedules/tuned", self.folder / "build/runtime/kernels/models",
                          tuned])
        self.assertEqual(json.loads((tuned / "avx2.json").read_text()), own)
        self.assertFalse((self.folder / "packed.tuned").exists())

        code, errors = self.configure(self.folder / "gated.v2.onnx")
        self.assertEqual(code, 0, errors)
        self.assertNotIn("gated_conv_f32_5x5_c3_none__avx2", self.kernels())
        self.assertNotIn(".pixels = 5", self.kernels()["gated_conv_f32_3x3_c64_none__avx2"])
        self.assertEqual((self.folder / "gated.v2.tuned/avx2.json").read_text(), "{}\n")
        self.assertEqual(Path(self.listed()["tuned"][-1]), self.folder / "gated.v2.tuned")

        code, errors = self.configure("")
        self.assertEqual(code, 0, errors)
        self.assertNotIn("gated_conv_f32_3x3_c24_none__avx2", self.kernels())
        self.assertEqual([Path(folder) for folder in self.listed()["tuned"]],
                         [SOURCE / "schedules/tuned"])

    def test_what_is_no_model_is_an_error_that_names_it(self):
        (self.folder / "text.onnx").write_text("# Sluice\n")
        for name, what in (("none.onnx", "there is no file"), ("text.onnx", "is no ONNX file")):
            code, errors = self.configure(self.folder / name)
            self.assertNotEqual(code, 0)
            self.assertIn(what, errors)
            self.assertIn(name, errors)
            self.assertFalse((self.folder / name).with_suffix(".tuned").exists())


unittest.main()
