"""Tests python/models on networks, cards and times that are made up.

    test_tables.py CHECKOUT
"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

from onnx import TensorProto, helper

CHECKOUT = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(CHECKOUT / "python/models"))

import trade_off
import write_index
import write_readme
from cards import read_card
from entries import make_index, stages
from errors import ModelsError
from tables import describe, gates_text, network_name
from times import digest, read_all, read_times

BLOCK = {"form": "block", "grains": [4, 2, 0], "layers": "*"}
TILE = {"form": "tile", "function": "clip", "slope": 2.0, "maps": 1, "grid": 4, "layers": "*"}


class Case(unittest.TestCase):
    """A folder of networks without weights, each with a card."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.models = self.folder / "models"
        (self.models / "int8").mkdir(parents=True)
        self.digests = self.folder / "times"
        self.digests.mkdir()

    def network(self, name, net, gate, classes=10):
        value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
        node = helper.make_node("Identity", ["x"], ["y"])
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        model = helper.make_model(helper.make_graph([node], "g", [value], [output]))
        labels = json.dumps([str(index) for index in range(classes)])
        model.metadata_props.add(key="sluice.network", value=json.dumps({"net": net, "gate": gate}))
        model.metadata_props.add(key="sluice.labels", value=labels)
        path = self.models / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    def card(self, name, *rows, layers=()):
        lines = [f"# {pathlib.Path(name).name}", "", "| | |", "|---|---|"]
        lines += [f"| {key} | {value} |" for key, value in rows]
        if layers:
            lines += ["", "Gates, on the validation images:", "", "| layer | MACs | x | density |"]
            lines += ["|---|---|---|---|", *(f"| {layer} | 1,000 | 10 | 0.5 |" for layer in layers)]
        (self.models / f"{name}.md").write_text("\n".join(lines) + "\n")

    def float_net(self, name, net, gate, accuracy, data="CIFAR-10, lossless", cut=None, layers=(), **more):
        self.network(name, net, gate, more.pop("classes", 10))
        rows = [("data", data), ("seed", more.pop("seed", "1")), ("MACs, dense", "40,551,040")]
        rows.append(("test accuracy (ONNX Runtime)", accuracy))
        if cut:
            rows += [("net MACs cut", cut), ("net MACs cut by live gates", more.pop("live", cut))]
        rows += list(more.items())
        self.card(name, *rows, layers=layers)

    def usual(self):
        """Dense ResNet-20 and 56 and a gated ResNet-20; ResNet-20 in int8 as well."""
        self.float_net("r20", "resnet20", None, "92.00%")
        self.float_net("r56", "resnet56", None, "94.00%")
        blocks = [f"blocks.{i}" for i in range(1, 9)]
        closed = {"blocks that are never computed": "blocks.1, blocks.4", "live": "20.0%"}
        self.float_net("r20_block", "resnet20", BLOCK, "91.80%", cut="34.5%", layers=blocks, **closed)
        for name, net, gate, accuracy, cut in (
            ("r20", "resnet20", None, "91.90%", None),
            ("r20_block", "resnet20", BLOCK, "91.75%", "35.25%"),
        ):
            self.network(f"int8/{name}_int8", net, gate)
            rows = [("data", "TRAIN: 256 of the training images of CIFAR-10")]
            rows.append(("test accuracy, float32 (ONNX Runtime)", "92.00%"))
            rows.append(("test accuracy, int8 (Sluice)", accuracy))
            rows += [("net MACs cut, int8", cut)] if cut else []
            self.card(f"int8/{name}_int8", *rows)
        return {entry["file"]: entry for entry in make_index(self.models)}

    def report(self, rows, cpu="abacus", target="avx2"):
        """A report of the benchmark: (file, engine, precision, ms, MACs executed)."""
        results = []
        for file, engine, precision, ms, executed in rows:
            results.append({
                "file": file, "engine": engine, "precision": precision, "median_ms": ms, "p10_ms": ms,
                "p90_ms": ms, "macs_executed": executed, "weights": "trained", "inputs": "images",
                "target": target if engine == "sluice" else None, "threads": 1, "batch": 1,
            })  # fmt: skip
        path = self.folder / f"{cpu}{len(list(self.folder.iterdir()))}.json"
        machine = {"cpu": cpu, "fma_peak_gflops": 100.4, "int8_peak_gops": None}
        path.write_text(json.dumps({"machine": machine, "results": results}))
        return path

    def usual_times(self):
        return digest([self.report([
            ("r20", "sluice", "fp32", 0.4, 40), ("r20", "ncnn", "fp32", 0.9, 40),
            ("r20", "openvino", "fp32", 0.8, 40), ("r20_block", "sluice", "fp32", 0.3, 20),
            ("r20_block", "ncnn", "fp32", 1.25, 41), ("r56", "sluice", "fp32", 1.4, 40),
            ("r56", "ncnn", "fp32", None, 40), ("r20_int8", "sluice", "int8", 0.2, 40),
            ("r20_block_int8", "sluice", "int8", 0.25, 40),
            ("resnet18_dense_synthetic", "sluice", "fp32", 16.0, 1000),
            ("resnet18_tiles_d50_synthetic", "sluice", "fp32", 12.0, 600),
            ("resnet18_tiles_d30_synthetic", "sluice", "fp32", 9.0, 400),
        ])])  # fmt: skip

    def bad(self, message, call):
        with self.assertRaisesRegex(ModelsError, message):
            call()


class Entries(Case):
    def test_a_gated_network(self):
        entry = self.usual()["r20_block.onnx"]
        self.assertEqual(entry["network"], "resnet20")
        self.assertEqual((entry["data"], entry["classes"], entry["seed"]), ("CIFAR-10", 10, 1))
        self.assertEqual((entry["macs"], entry["macs_cut"], entry["macs_cut_by_live_gates"]),
                         (40551040, 0.345, 0.2))  # fmt: skip
        self.assertEqual(entry["closed_blocks"], ["blocks.1", "blocks.4"])
        self.assertEqual((entry["accuracy"], entry["dense"], entry["dense_accuracy"]),
                         (0.918, "r20.onnx", 0.92))  # fmt: skip
        gates = {"form": "block", "granularity": "per block", "grains": ["4", "2", "map"], "gated": 8}
        self.assertEqual(entry["gates"], gates)
        self.assertIsNone(entry["log"])

    def test_a_twin_has_what_its_network_says(self):
        entry = self.usual()["int8/r20_block_int8.onnx"]
        self.assertEqual((entry["precision"], entry["float32"]), ("int8", "r20_block.onnx"))
        self.assertEqual((entry["data"], entry["seed"], entry["macs"]), ("CIFAR-10", 1, 40551040))
        self.assertEqual((entry["accuracy"], entry["accuracy_float32"]), (0.9175, 0.92))
        self.assertEqual((entry["macs_cut"], entry["closed_blocks"]), (0.3525, ["blocks.1", "blocks.4"]))
        self.assertEqual((entry["dense"], entry["dense_accuracy"]), ("int8/r20_int8.onnx", 0.919))

    def test_stages_without_gates(self):
        self.float_net("dense", "resnet18", None, "90.10%", "Imagenette at 224x224")
        layers = ["blocks.2.conv1", "blocks.2.conv2", "blocks.7.conv2"]
        self.float_net("gated", "resnet18", TILE, "90.00%", "Imagenette at 224x224", "20.0%", layers)
        entry = {entry["file"]: entry for entry in make_index(self.models)}["gated.onnx"]
        self.assertEqual(entry["data"], "Imagenette")
        self.assertEqual(entry["gates"]["grains"], ["none", "4", "none", "4"])
        self.assertEqual(gates_text(entry), "per tile, stages 2 and 4")
        gate = {"form": "block", "grains": [1], "layers": "*"}
        self.float_net("b", "resnet18", gate, "90.00%", "Imagenette", "20.0%")
        found = {entry["file"]: entry for entry in make_index(self.models)}["b.onnx"]
        self.assertEqual(gates_text(found), "per block, grains 1-1-1-1")

    def test_the_dense_network_of_the_same_seed_is_the_counterpart(self):
        for seed in ("1", "2"):
            self.float_net(f"d{seed}", "resnet56", None, f"7{seed}.00%", "CIFAR-100, lossless", seed=seed)
        remark = "2; with seed 1 it has 70.10%"
        self.float_net("g", "resnet56", BLOCK, "71.50%", "CIFAR-100, lossless", "30.0%", seed=remark)
        entry = {entry["file"]: entry for entry in make_index(self.models)}["g.onnx"]
        self.assertEqual((entry["seed"], entry["dense"], entry["data"]), (2, "d2.onnx", "CIFAR-100"))

    def test_stages_of_networks(self):
        self.assertEqual(stages("preresnet20"), (3, 3, 3))
        self.assertEqual(stages("resnet110"), (18, 18, 18))
        self.assertEqual(stages("resnet50"), (3, 4, 6, 3))
        self.bad("'vgg' has unknown stages", lambda: stages("vgg"))

    def test_what_is_missing_is_named(self):
        self.bad("holds no ONNX file", lambda: make_index(self.models))
        path = self.network("lonely", "resnet20", BLOCK)
        self.bad("lonely.md: cannot be read", lambda: make_index(self.models))
        self.card("lonely", ("seed", "1"))
        self.bad("lonely.md: has no accuracy on the test images", lambda: make_index(self.models))
        self.card("lonely", ("test accuracy (ONNX Runtime)", "good"))
        self.bad("is no percentage \\('good'\\)", lambda: make_index(self.models))
        self.card("lonely", ("test accuracy (ONNX Runtime)", "91.10%"), ("seed", "one"))
        self.bad("'seed' is no number \\('one'\\)", lambda: make_index(self.models))
        self.float_net("lonely", "resnet20", BLOCK, "91.10%", cut="10.0%")
        self.bad("lonely.onnx: models/ has no dense resnet20 on CIFAR-10", lambda: make_index(self.models))
        path.write_text("no network")
        self.bad("lonely.onnx: lacks the metadata", lambda: make_index(self.models))
        (self.models / "empty.md").write_text("# nothing\n")
        self.bad("has no table of facts", lambda: read_card(self.models / "empty.md"))


class Tables(Case):
    def test_rows_by_hand(self):
        index = list(self.usual().values())
        text = describe(index, [self.usual_times()])
        head = "**AVX2, float32**, one core of an abacus at 100 GFLOPS:"
        self.assertTrue(text.startswith(head))
        for row in (
            "| ResNet-20, CIFAR-10 | per block, grains 4-2-map | 91.80% (92.00%) | 34.5% | 0.400 "
            "| **0.300** | 0.800 | 1.25 |",
            "| ResNet-56, CIFAR-10 | dense | 94.00% |  | 1.40 |  |  |  |",
            "| ResNet-18, synthetic weights | per tile |  | 40.0% | 16.0 | **12.0** |  |  |",
            "| ResNet-20, CIFAR-10 | per block, grains 4-2-map | 91.75% (91.90%) | 35.2% | 0.200 "
            "| 0.250 |  |  |",
        ):
            self.assertIn(row + "\n", text)
        self.assertIn("**AVX2, int8**, one core of an abacus:\n", text)
        self.assertNotIn("9.00", text)
        self.assertEqual(network_name("preresnet56"), "Pre-activation ResNet-56")

    def test_programs_write_and_check(self):
        self.usual()
        readme, page = self.folder / "README.md", self.folder / "benchmarks.md"
        readme.write_text("before\n")
        models = ["--models", str(self.models)]
        line = [*models, "--readme", str(readme), "--page", str(page), "--digests", str(self.digests)]
        report = str(self.report([("r20", "sluice", "fp32", 0.4, 40)]))
        errors = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            self.assertEqual(write_index.main([*models, "--check"]), 2)
            self.assertEqual(write_index.main(models), 0)
            self.assertEqual(write_index.main([*models, "--check"]), 0)
            self.assertEqual(write_readme.main([*line, "--times", report]), 2)
            for path in (readme, page):
                path.write_text(f"before\n{write_readme.BEGIN}\nold\n{write_readme.END}\nafter\n")
            self.assertEqual(write_readme.main([*line, "--check"]), 2)
            self.assertEqual(write_readme.main(line), 0)
            self.assertEqual(write_readme.main([*line, "--check"]), 0)
        for path in (readme, page):
            text = path.read_text()
            self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
            self.assertNotIn("old", text)
        self.assertIn("| ResNet-20, CIFAR-10 | dense | 92.00% |", page.read_text())
        self.assertNotIn("| dense | 92.00% |", readme.read_text())
        self.assertEqual(errors.getvalue().count("\n"), 3)

    def test_digests_are_of_one_run(self):
        one = [("r20", "sluice", "fp32", 0.4, 40)]
        first, other = self.report(one), self.report(one, "sliderule")
        self.bad("reports of 2 cpus \\(abacus, sliderule\\)", lambda: digest([first, other]))
        self.bad("reports of 2 targets", lambda: digest([first, self.report(one, target="sse41")]))
        empty = self.folder / "empty.json"
        empty.write_text("{}")
        self.bad("is no JSON of the benchmark", lambda: digest([empty]))
        self.bad("cannot be read", lambda: read_times(self.folder / "absent.json"))
        self.bad("is no digest", lambda: read_times(empty))
        self.assertEqual(read_all(self.digests), [])


class TradeOff(Case):
    def test_the_dense_line(self):
        index = list(self.usual().values())
        panel, twins = trade_off.make_panels(index, [self.usual_times()])
        self.assertEqual([point.ms for point in panel.dense], [0.4, 1.4])
        self.assertIsNone(trade_off.dense_accuracy(panel.dense, 0.39))
        for ms, wanted in ((0.4, 0.92), (0.9, 0.93), (1.4, 0.94), (3.0, 0.94)):
            self.assertAlmostEqual(trade_off.dense_accuracy(panel.dense, ms), wanted)
        self.assertEqual(twins.precision, "int8")

    def test_a_slower_and_worse_dense_network_is_not_on_the_line(self):
        pairs = ((0.9, 1.0), (0.8, 2.0), (0.92, 3.0))
        points = [trade_off.Point({"accuracy": accuracy}, ms) for accuracy, ms in pairs]
        self.assertAlmostEqual(trade_off.dense_accuracy(points, 2.0), 0.91)

    def test_verdicts(self):
        index = list(self.usual().values())
        text = trade_off.describe(trade_off.make_panels(index, [self.usual_times()]))
        self.assertIn(
            "in 0.3 ms: faster than any dense one, 1.33 times as fast as ResNet-20, 0.20 points below it",
            text,
        )
        self.assertIn("91.75% in 0.25 ms: 0.15 points below the dense line at that time", text)
        self.assertIn("of 1 gated networks: none. Faster than any dense one: 1.", text)
        for entry in index:
            if entry["file"] == "int8/r20_block_int8.onnx":
                entry["accuracy"] = 0.925
        text = trade_off.describe(trade_off.make_panels(index, [self.usual_times()]))
        self.assertIn("0.60 points above the dense line", text)
        self.assertIn("of 1 gated networks: ResNet-20, per block, grains 4-2-map. Faster", text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
