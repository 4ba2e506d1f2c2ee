"""Tests that models/index.json, README, docs/benchmarks.md and docs/trade-off.md say what models/ and
docs/times hold.

    test_shipped.py CHECKOUT
"""

import json
import pathlib
import re
import sys
import unittest

CHECKOUT = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(CHECKOUT / "python/models"))

import trade_off
import write_index
import write_readme
from times import read_all

MODELS = CHECKOUT / "models"
README = CHECKOUT / "README.md"
PAGE = CHECKOUT / "docs/benchmarks.md"
INDEX = json.loads((MODELS / "index.json").read_text())


def percent(text: str) -> float:
    return float(text.strip("*% ")) / 100


class Index(unittest.TestCase):
    def test_every_network_is_listed_once(self):
        files = sorted(path.relative_to(MODELS).as_posix() for path in MODELS.rglob("*.onnx"))
        self.assertEqual(sorted(entry["file"] for entry in INDEX), files)

    def test_it_is_up_to_date(self):
        self.assertEqual(write_index.main(["--models", str(MODELS), "--check"]), 0)

    def test_its_figures_are_those_of_the_cards(self):
        """Read from the cards anew, by the lines of their tables."""
        for entry in INDEX:
            card = (MODELS / entry["card"]).read_text()
            names = {"accuracy": r"test accuracy \(ONNX Runtime\)", "macs_cut": "net MACs cut"}
            if entry["precision"] == "int8":
                names = {"accuracy": r"test accuracy, int8 \(Sluice\)", "macs_cut": "net MACs cut, int8"}
            for key, name in names.items():
                found = re.search(rf"^\| {name} \| (\d+\.\d+)%", card, re.MULTILINE)
                if found is None:
                    self.assertIsNone(entry[key], entry["file"])
                    self.assertIsNone(entry["gates"], entry["file"])
                else:
                    wanted = float(found[1]) / 100
                    self.assertAlmostEqual(entry[key], wanted, places=6, msg=entry["file"])

    def test_gated_networks_have_a_dense_counterpart(self):
        by_file = {entry["file"]: entry for entry in INDEX}
        for entry in INDEX:
            if entry["gates"] is None:
                self.assertIsNone(entry["dense"])
                continue
            dense = by_file[entry["dense"]]
            self.assertIsNone(dense["gates"])
            for key in ("network", "data", "classes", "precision"):
                self.assertEqual(dense[key], entry[key], entry["file"])
            self.assertEqual(entry["dense_accuracy"], dense["accuracy"])


class Tables(unittest.TestCase):
    def test_they_are_up_to_date(self):
        line = ["--readme", str(README), "--page", str(PAGE), "--models", str(MODELS), "--check"]
        self.assertEqual(write_readme.main([*line, "--digests", str(CHECKOUT / "docs/times")]), 0)

    def test_accuracies_and_cuts_are_those_of_the_index(self):
        """Every row of a trained network, whatever wrote it."""
        known = {
            (round(e["accuracy"], 4), round(e["dense_accuracy"] or 0, 4), round(e["macs_cut"] or 0, 3))
            for e in INDEX
        }
        for path in (README, PAGE):
            table = path.read_text().partition(write_readme.BEGIN)[2].partition(write_readme.END)[0]
            rows = 0
            for line in table.splitlines():
                cells = [cell.strip() for cell in line.strip("|").split("|")]
                if len(cells) < 7 or not re.match(r"\d", cells[2]):
                    continue
                accuracy, _, dense = cells[2].partition(" ")
                cut = percent(cells[3]) if cells[3] else 0
                found = (percent(accuracy), percent(dense.strip("()")) if dense else 0, cut)
                self.assertIn(tuple(round(x, 4) for x in found), known, line)
                rows += 1
            self.assertGreater(rows, 0, path)


class TradeOff(unittest.TestCase):
    def test_its_words_are_up_to_date(self):
        panels = trade_off.make_panels(INDEX, read_all(CHECKOUT / "docs/times"))
        written = (CHECKOUT / "docs/trade-off.md").read_text()
        self.assertEqual(written, trade_off.describe(panels), "run make trade-off")
        for panel in panels:
            self.assertTrue((CHECKOUT / "docs" / trade_off.file_name(panel)).exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
