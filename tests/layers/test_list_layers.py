"""list_layers.py of cmake/layers: the rows and first numbers that it writes, and what it refuses."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import onnx

import nets

SOURCE = Path(sys.argv.pop(1))
TARGETS = ["avx2", "avx512"]


def run(folder, *models, source=SOURCE):
    return subprocess.run(
        [sys.executable, "-B", SOURCE / "cmake/layers/list_layers.py", source, "--out", folder,
         "--targets", *TARGETS, "--", *models], capture_output=True, text=True, check=False)


class Rows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.kept.name)
        onnx.save(nets.gated_network(), cls.folder / "gated.onnx")
        onnx.save(nets.packed_network(), cls.folder / "packed.onnx")
        result = run(cls.folder / "out", cls.folder / "gated.onnx", cls.folder / "packed.onnx")
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        cls.rows = {row["algorithm"]: row for row in cls.read("kernels.json")}
        cls.numbers = {target: cls.read(f"{target}.json") for target in TARGETS}

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    @classmethod
    def read(cls, name):
        return json.loads((cls.folder / "out" / name).read_text())

    def shape(self, algorithm, **wanted):
        found = [shape for shape in self.rows[algorithm]["shapes"] if wanted.items() <= shape.items()]
        self.assertEqual(len(found), 1, wanted)
        return found[0]

    def test_a_class_is_for_the_targets_whose_lanes_give_its_channels(self):
        # 24 channels are three vectors of 8 lanes, and take the room of two of 16.
        self.assertEqual(self.shape("gated_conv", channels=[24], kernel=3, gates=["element"])["targets"],
                         ["avx2"])
        self.assertEqual(self.shape("gated_conv", channels=[32], kernel=3, gates=["element"])["targets"],
                         ["avx512"])
        self.assertEqual(self.shape("gated_conv", channels=[96], kernel=3,
                                    gates=["position"])["targets"], TARGETS)
        self.assertEqual(self.shape("gated_conv", channels=[3], kernel=5)["gates"], ["none"])

    def test_what_the_table_has_is_not_listed_again(self):
        for shape in self.rows["gated_conv"]["shapes"]:
            self.assertNotEqual((shape["kernel"], shape["channels"]), (3, [3]))
        self.assertNotIn("gated_conv_f32_3x3_c3_none", self.numbers["avx2"])

    def test_rows_are_the_tables_but_for_the_shapes(self):
        table = json.loads((SOURCE / "generators/kernels.json").read_text())
        for row in table:
            own = self.rows.get(row["algorithm"])
            if own is not None:
                self.assertEqual({**own, "shapes": None}, {**row, "shapes": None})

    def test_first_numbers_are_whole_and_their_blocks_divide_the_outputs(self):
        outputs = {"gated_conv_f32_3x3_c24_element": 40, "sparse_conv_f32_3x3_c24": 24,
                   "sparse_conv_f32_3x3_c96": 96}
        for name, numbers in self.numbers["avx2"].items():
            algorithm = next(a for a in self.rows if name.startswith(a))
            self.assertEqual(sorted(numbers), self.rows[algorithm]["numbers"], name)
            self.assertEqual(outputs.get(name, 0) % (8 * numbers.get("vectors", 1)), 0, name)
        self.assertTrue(outputs.keys() <= self.numbers["avx2"].keys())

    def test_a_class_begins_with_the_numbers_of_the_kernel_that_served_its_layers(self):
        tuned = json.loads((SOURCE / "schedules/tuned/avx2.json").read_text())
        generic = {**tuned["gated_conv_f32"], **tuned["gated_conv_f32_any"],
                   **tuned.get("gated_conv_f32_any_position", {})}
        self.assertEqual(self.numbers["avx2"]["gated_conv_f32_3x3_c40_position"], generic)

    def test_what_says_the_same_is_not_written_again(self):
        before = (self.folder / "out/kernels.json").stat().st_mtime_ns
        run(self.folder / "out", self.folder / "gated.onnx", self.folder / "packed.onnx")
        self.assertEqual((self.folder / "out/kernels.json").stat().st_mtime_ns, before)


class Refusals(unittest.TestCase):
    def setUp(self):
        self.kept = tempfile.TemporaryDirectory()
        self.folder = Path(self.kept.name)
        self.addCleanup(self.kept.cleanup)

    def refuses(self, what):
        result = run(self.folder / "out", self.folder / "bad.onnx")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("bad.onnx", result.stderr)
        self.assertIn(what, result.stderr)
        self.assertFalse((self.folder / "out").exists())

    def test_no_file(self):
        self.refuses("cannot be read")

    def test_no_onnx(self):
        for content in (b"", b"# README\n", b"\xff" * 100):
            (self.folder / "bad.onnx").write_bytes(content)
            self.refuses("is no ONNX file")

    def test_no_fixed_size(self):
        model = nets.packed_network()
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
        onnx.save(model, self.folder / "bad.onnx")
        self.refuses("has no fixed size")

    def test_no_opset(self):
        model = nets.packed_network()
        del model.opset_import[:]
        onnx.save(model, self.folder / "bad.onnx")
        self.refuses("cannot be inferred")

    def test_a_symbolic_batch_is_none(self):
        model = nets.packed_network()
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
        onnx.save(model, self.folder / "good.onnx")
        self.assertEqual(run(self.folder / "out", self.folder / "good.onnx").returncode, 0)

    def test_what_gets_no_kernel_is_named(self):
        net = nets.Net(1, 24, 8, 8)
        y = net.op("Conv", "x", net.random(24, 1, 3, 3), group=24)
        onnx.save(net.finish(net.conv(y, 24, 24)), self.folder / "grouped.onnx")
        result = run(self.folder / "out", self.folder / "grouped.onnx")
        self.assertEqual(result.returncode, 0)
        self.assertIn("no kernels of its own for n0:", result.stderr)


unittest.main()
