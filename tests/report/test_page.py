"""The page of sluice report, as Chromium shows it.

    test_page.py FOLDER

FOLDER takes the page and its screenshots. What the page states is compared with the model itself, run on images that
Pillow reads, and with the ONNX file's own nodes.
"""

import base64
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import sluice

ROOT = pathlib.Path(__file__).parents[2]
MODEL = ROOT / "models" / "int8" / "resnet20_block_d58_cifar10_int8.onnx"
DENSE = ROOT / "models" / "int8" / "resnet20_dense_cifar10_int8.onnx"
SAMPLES = ROOT / "apps" / "samples"
FOLDER = pathlib.Path(sys.argv.pop(1)).resolve()
FOLDER.mkdir(parents=True, exist_ok=True)
DRAWN = 3
CHROMIUM = shutil.which("chromium")


def report(*words):
    return subprocess.run([sys.executable, "-m", "sluice", "report", *map(str, words)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=600)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = FOLDER / "report.html"
        cls.file.unlink(missing_ok=True)
        done = report(MODEL, SAMPLES, "-o", cls.file, "--dense", DENSE, "--drawn", DRAWN, "--runs", 3, "--seconds", 0.3)
        if done.returncode or done.stderr:
            raise AssertionError(done)
        cls.files = sorted(SAMPLES.glob("*.png"))
        cls.run_the_model()
        cls.playwright = sync_playwright().start()
        cls.addClassCleanup(cls.playwright.stop)
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        cls.addClassCleanup(cls.browser.close)

    def test_a_size_that_is_none(self):
        done = report(MODEL, SAMPLES, "-o", FOLDER / "none.html", "--size", "abc")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("'abc' is no height and width", done.stderr)
        self.assertFalse((FOLDER / "none.html").exists())

    @classmethod
    def run_the_model(cls):
        """What the page has to say: labels, shares of MACs, and gates[image][layer]."""
        model = sluice.Model(MODEL)
        mean, std, labels = (json.loads(model.metadata["sluice." + key]) for key in ("mean", "std", "labels"))
        cls.labels, cls.skipped, cls.gates = [], [], []
        for file in cls.files:
            x = (np.asarray(Image.open(file)) / 255 - mean) / std
            scores = model(x.transpose(2, 0, 1)[None].astype(np.float32))
            cls.labels.append(labels[scores.argmax()])
            cls.skipped.append(1 - model.macs_executed / model.macs)
            cls.gates.append(model.gates())
        cls.layers = [gate.layer for gate in cls.gates[0]]
        cls.densities = np.array([[gate.density for gate in gates] for gates in cls.gates]).mean(axis=0)

    def setUp(self):
        self.page = self.open(1280, 900)

    def open(self, width, height, **settings):
        context = self.browser.new_context(viewport={"width": width, "height": height}, **settings)
        self.addCleanup(context.close)
        page = context.new_page()
        page.on("console", lambda message: self.fail(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.fail(str(error)))
        self.requests = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(self.file.as_uri())
        return page

    def test_nothing_comes_from_a_network(self):
        self.page.mouse.wheel(0, 20000)
        self.page.wait_for_timeout(200)
        self.assertEqual([url[:60] for url in self.requests if not url.startswith("data:")], [self.file.as_uri()])

    def test_images(self):
        articles = self.page.locator("article.image")
        self.assertEqual(articles.count(), DRAWN)
        for number in range(DRAWN):
            article = articles.nth(number)
            self.assertEqual(article.locator("h3").inner_text(), self.labels[number])
            self.assertEqual(article.locator(".skipped").inner_text(), f"{self.skipped[number]:.1%}")
            self.assertIn(self.files[number].name, article.inner_text())
        self.assertEqual(self.page.locator("#skipped").inner_text(), f"{np.mean(self.skipped):.1%}")

    def test_masks(self):
        for number, article in enumerate(self.page.locator("article.image").all()):
            drawn = []
            for frame in article.locator(".tiles .frame").all():
                names = frame.get_attribute("data-layers").split("|")
                drawn += names
                data = frame.locator("img").get_attribute("src").removeprefix("data:image/png;base64,")
                alpha = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[..., 1]
                for gate in self.gates[number]:
                    if gate.layer in names:
                        share = gate.mask.mean(axis=0)
                        np.testing.assert_array_equal(alpha, 255 - np.round(255 * share))
            self.assertEqual(drawn, self.layers)

    def test_densities(self):
        rows = self.page.locator("#density-table tbody tr")
        self.assertEqual([row.get_attribute("data-layer") for row in rows.all()], self.layers)
        found = [float(row.get_attribute("data-mean")) for row in rows.all()]
        np.testing.assert_allclose(found, self.densities, atol=1e-9)
        bars = self.page.locator("#densities .wide [aria-roledescription=bar]")
        self.assertEqual(bars.count(), len(self.layers))
        for bar, name, density in zip(bars.all(), self.layers, self.densities):
            self.assertTrue(bar.get_attribute("aria-label").startswith(f"{name}: density {density:.1%}"))

    def test_times(self):
        rows = self.page.locator("#time-table tbody tr")
        self.assertEqual([row.get_attribute("data-layer") for row in rows.all()], self.layers)
        for row in rows.all():
            self.page.locator("#times details").evaluate("each => each.open = true")
            for cell in row.locator("td").all()[:2]:
                middle, spread = cell.inner_text().split(" ")
                low, high = map(float, spread.split("–"))
                self.assertGreater(low, 0)
                self.assertTrue(low <= float(middle) <= high, cell.inner_text())
        self.assertEqual(self.page.locator("#times .wide [aria-roledescription=bar]").count(), 2 * len(self.layers))
        self.assertIn("the dense network", self.page.locator("header").inner_text())

    def test_plan(self):
        details = json.loads(self.page.locator("#details").inner_text())
        boxes = self.page.locator("#plan-view g.step")
        self.assertEqual({box.get_attribute("id") for box in boxes.all()}, set(details))
        steps = [step for box in details.values() for step in box["steps"]]
        model = sluice.Model(MODEL)
        explained = model.explain().splitlines()[1:]
        self.assertEqual(len(steps), len(explained))
        for step, line in zip(steps, explained):
            for word in (step["kernel"], step["shape"], step["remark"]):
                self.assertIn(word, line)
        of_layer = {box["node"]: box for box in details.values()}
        for layer, density in zip(self.layers, self.densities):
            self.assertAlmostEqual(of_layer[layer]["density"], density)
        ids = {box["node"]: number for number, box in details.items()}
        conv = "/blocks/blocks.{}/conv{}/Conv"
        for tail, head in ((conv.format(1, 2), conv.format(2, 1)), (conv.format(1, 2), conv.format(2, 2)),
                           (conv.format(2, 1), conv.format(2, 2)), ("/blocks/blocks.2/gate/branch/Conv", conv.format(2, 1))):
            self.assertEqual(self.page.locator(f'[id="{ids[tail]}__{ids[head]}"]').count(), 1, (tail, head))

    def test_details_of_a_box(self):
        box = self.page.locator("#plan-view g.gated").first
        box.scroll_into_view_if_needed()
        box.hover()
        tip = self.page.locator("#tip")
        tip.wait_for(state="visible")
        self.assertIn(self.layers[0], tip.inner_text())
        self.assertIn(f"density {self.densities[0] * 100:.1f}%", tip.inner_text())
        self.page.keyboard.press("Escape")
        tip.wait_for(state="hidden")
        self.page.locator("#plan-view g.gated").nth(1).focus()
        tip.wait_for(state="visible")
        self.assertIn(self.layers[1], tip.inner_text())

    def test_screens(self):
        self.page.screenshot(path=FOLDER / "top.png")
        self.page.screenshot(path=FOLDER / "whole.png", full_page=True)
        for name, width, height, scheme in (("dark", 1280, 900, "dark"), ("phone", 390, 844, "light")):
            page = self.open(width, height, color_scheme=scheme)
            page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            self.assertEqual(wider, 0, f"{name}: the page scrolls sideways")
        self.page.locator("#plan-view g.gated").nth(2).focus()
        self.page.locator("#plan").screenshot(path=FOLDER / "plan.png")

    def test_names_for_those_who_do_not_see(self):
        unnamed = self.page.evaluate("""() => [...document.querySelectorAll('[role=img], [role=region], button, input')]
            .filter(each => !each.getAttribute('aria-label') && !each.textContent.trim() && !each.labels?.length)
            .map(each => each.outerHTML.slice(0, 80))""")
        self.assertEqual(unnamed, [])
        self.assertEqual(self.page.locator("html").get_attribute("lang"), "en")


class Others(unittest.TestCase):
    def test_a_network_without_gates(self):
        page = FOLDER / "dense.html"
        done = report(DENSE, SAMPLES / "cat_0000.png", "-o", page, "--runs", 1, "--seconds", 0.05)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertIn("no gated layer", page.read_text())

    def test_a_failure_is_one_line_and_leaves_nothing(self):
        page = FOLDER / "none.html"
        broken = FOLDER / "broken.png"
        broken.write_bytes(b"no image")
        for words, said in (((MODEL, broken), "broken.png"), ((FOLDER / "none.onnx", SAMPLES), "none.onnx"),
                            ((MODEL, SAMPLES, "--dense", FOLDER / "none.onnx"), "none.onnx")):
            done = report(*words, "-o", page, "--runs", 1, "--seconds", 0.05)
            self.assertEqual(done.returncode, 2, done)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(said, done.stderr)
        self.assertEqual([name for name in os.listdir(FOLDER) if name.startswith("none")], [])


if __name__ == "__main__":
    unittest.main()
