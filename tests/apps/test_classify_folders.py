"""Runs the built classify on folders: many images and threads, evaluation, single scores, and scores
that are not finite.

    test_classify_folders.py CHECKOUT [EMULATOR] PATH_OF_CLASSIFY
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

import numpy as np
import onnxruntime
from PIL import Image

import classify_models as models
from classify_case import CLASSIFY, DEMO, SAMPLES, Case, classify, nchw


class Folders(Case):
    """Images that lie in folders of a folder."""

    def setUp(self):
        super().setUp()
        self.data = self.folder / "data"
        chance = np.random.default_rng(5)
        self.images = []
        for i in range(30):
            # Of different sizes, so that threads finish out of order.
            side = int(chance.choice([8, 9, 31, 300]))
            path = self.data / f"set{i % 3}/part{i % 2}/{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(chance.integers(0, 256, (side, side, 3), np.uint8)).save(path)
            self.images.append(path)
        self.images.sort()

    def test_order_and_results_are_the_same_for_any_number_of_threads(self):
        broken = self.images[11]
        broken.write_bytes(b"no image")
        for flags in (("--json",), ("--top", 2)):
            outputs = []
            for threads in (1, 2, 3, 40):
                result = classify("--model", self.model, *flags, "--threads", threads, self.data)
                self.assertEqual(result.returncode, 2)
                self.assertRegex(result.stderr.decode(), r"\Aclassify: [^\n]+\n\Z")
                self.assertIn(str(broken), result.stderr.decode())
                names = re.findall(rb"[^\s\"]+\.png", result.stdout)
                self.assertEqual([os.fsdecode(n) for n in names],
                                 [str(p) for p in self.images if p != broken])
                # All but times and the number of threads.
                text = re.sub(rb"\d+\.\d{3}  |median \d+\.\d+|latency_ms\":[^,]+,|\d+ threads?"
                              rb"|\"threads\":\d+", b"", result.stdout)
                outputs.append(re.sub(rb" +", b" ", text))
            for output in outputs[1:]:
                self.assertEqual(output, outputs[0])

    def test_a_thread_per_image_and_no_more(self):
        self.assertIn(", 2 threads\n", self.good("--model", self.model, "--threads", 3,
                                                 *self.images[:2]))
        self.assertIn(", 3 threads\n", self.good("--model", self.model, "--threads", 3,
                                                 self.images[0]))

    def test_other_files_are_named(self):
        for name in ("notes.txt", "set1/part0/list.csv", ".hidden", ".hidden.png"):
            (self.data / name).write_text("")
        skipped = [str(self.data / "notes.txt"), str(self.data / "set1/part0/list.csv")]
        lines = self.good("--model", self.model, self.data).splitlines()
        self.assertEqual(lines[-1], "skipped 2 other files: " + ", ".join(skipped))
        summary = self.summary("--model", self.model, "--threads", 2, self.data)
        self.assertEqual(summary["skipped_files"], {"count": 2, "first": skipped})
        self.assertEqual((summary["images"], summary["failed"], summary["threads"]), (30, 0, 2))
        self.assertEqual(len(self.objects("--model", self.model, self.data)), 30)
        # A file that is named is read, whatever its name; there is then nothing to sum up.
        other = shutil.copy(self.images[0], self.data / "other")
        output = self.good("--model", self.model, "--json", other)
        self.assertEqual(json.loads(output)["file"], str(other))

    def test_masks_are_the_same_for_any_number_of_threads(self):
        model = self.save("halves.onnx", models.halves())
        same_name = self.image_of("data/set2/part1/02.png", (255, 255, 255))
        sheets = []
        for threads in (1, 3):
            masks = self.folder / f"masks{threads}"
            self.good("--model", model, "--masks", masks, "--threads", threads, self.data / "set2")
            # The caption names image and answer, no times.
            sheets.append({p.name: p.read_bytes() for p in masks.iterdir()})
        self.assertEqual(len(sheets[0]), 11)
        self.assertIn(same_name.stem + "_2_masks.png", sheets[0])
        self.assertEqual(sheets[0], sheets[1])

    def test_interrupt(self):
        repeated = [self.data] * 300
        for flags in ((), ("--json", "--threads", 3)):
            words = [str(w) for w in ("--model", self.model, *flags, *repeated)]
            process = subprocess.Popen([*CLASSIFY, *words], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, bufsize=0)
            output = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, message = process.communicate(timeout=600)
            self.assertEqual(process.returncode, 130, message)
            match = re.fullmatch(rb"classify: interrupted after (\d+) of 9000 images; [^\n]+\n",
                                 message)
            output += rest
            self.assertTrue(output.endswith(b"\n"))
            self.assertEqual(int(match[1]), output.count(b".png"))
            self.assertEqual(output.count(b"\n"), int(match[1]) + (not flags))


class Evaluation(Case):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "data"

    def figures(self, *arguments):
        """The last line's, and the summary's of --json, which say the same."""
        last = self.good(*arguments, "--evaluate").splitlines()[-1]
        match = re.fullmatch(r"top-1 (\d+\.\d\d)%, top-5 (\d+\.\d\d)%, (-?\d+\.\d\d)% of MACs "
                             r"skipped, (\d+\.\d) images per second", last)
        self.assertTrue(match, last)
        summary = self.summary(*arguments, "--evaluate")
        for text, key in zip(match.groups(), ("top1", "top5", "macs_skipped")):
            self.assertAlmostEqual(float(text), 100 * summary[key], delta=0.00501)
        self.assertGreater(summary["images_per_second"], 0)
        return summary

    def test_agrees_with_onnx_runtime(self):
        session = onnxruntime.InferenceSession(DEMO, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        labels = json.loads(metadata["sluice.labels"])
        chance = np.random.default_rng(3)
        top1, top5 = [], []
        for i, sample in enumerate(sorted(SAMPLES.glob("*.png")) * 3):
            pixels = np.asarray(Image.open(sample).convert("RGB")).astype(int)
            pixels = (pixels + chance.integers(-60, 61, pixels.shape)).clip(0, 255)
            name = sample.name.split("_")[0] if i % 3 else chance.choice(labels)
            image = self.data / name / f"{i}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(image)
            [scores] = session.run(None, {"input": nchw(image, metadata)})[0]
            order = list(np.argsort(-scores))
            top1.append(order.index(labels.index(name)) < 1)
            top5.append(order.index(labels.index(name)) < 5)
        self.assertTrue(0 < np.mean(top1) < np.mean(top5) < 1)
        results = self.objects("--model", DEMO, self.data)
        skipped = np.mean([1 - r["macs_executed"] / r["macs"] for r in results])
        for threads in (1, 2):
            summary = self.figures("--model", DEMO, "--threads", threads, self.data)
            self.assertEqual(summary["images"], 60)
            self.assertAlmostEqual(summary["top1"], np.mean(top1), 12)
            self.assertAlmostEqual(summary["top5"], np.mean(top5), 12)
            self.assertAlmostEqual(summary["macs_skipped"], skipped, 9)

    def test_top1_of_a_bicubic_network_is_that_of_pillow_and_onnx_runtime(self):
        names = [f"n{i:08}" for i in range(40)]
        model = self.save("depthwise.onnx", models.depthwise(40, {
            "sluice.labels": json.dumps(names), "sluice.mean": "[0.498, 0.45, 0.4]",
            "sluice.std": "[0.25, 0.2, 0.25]", "sluice.resize_shorter_side": "28",
            "sluice.interpolation": '"bicubic"'}))
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        chance = np.random.default_rng(8)
        wanted, top1 = {}, []
        for i in range(30):
            width, height = (int(n) for n in chance.integers(20, 60, 2))
            image = Image.fromarray(chance.integers(0, 256, (height, width, 3), np.uint8))
            size = [28 * side // min(image.size) for side in image.size]
            scaled = image.resize((size[0], height), Image.Resampling.BICUBIC)
            scaled = scaled.resize(size, Image.Resampling.BICUBIC)
            left, top = (round((side - 24) / 2) for side in size)
            fitted = self.folder / "fitted.png"
            scaled.crop((left, top, left + 24, top + 24)).save(fitted)
            [scores] = session.run(None, {"input": nchw(fitted, metadata)})[0]
            name = names[np.argmax(scores)] if i % 3 else chance.choice(names)
            path = self.data / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
            wanted[str(path)] = scores
            top1.append(name == names[np.argmax(scores)])
        for result in self.objects("--model", model, self.data):
            expected = wanted[result["file"]]
            np.testing.assert_allclose(result["scores"], expected, rtol=0,
                                       atol=1e-5 * np.abs(expected).max())
        self.assertEqual(self.figures("--model", model, self.data)["top1"], np.mean(top1))
        others = self.objects("--model", model, "--interpolation", "bilinear", self.data)
        self.assertFalse(all(np.allclose(r["scores"], wanted[r["file"]], rtol=1e-2) for r in others))

    def test_folders_name_the_classes_of_a_model_without_names(self):
        # In sorted order: "10" before "9". The second of "9" is taken for red.
        self.image_of("data/10/a.png", (200, 0, 0))
        self.image_of("data/9/a.png", (0, 200, 0))
        self.image_of("data/9/b.png", (200, 0, 0))
        self.image_of("data/x/a.png", (0, 0, 200))
        summary = self.figures("--model", self.model, self.data)
        self.assertEqual((summary["top1"], summary["top5"]), (0.75, 1.0))
        self.assertIn(" 10 ", self.good("--model", self.model, "--evaluate", self.data))
        # Named one by one, from inside, and through a folder of its own: no difference.
        summary = self.summary("--model", self.model, "--evaluate", "a.png", "../9", "../x/a.png",
                               cwd=self.data / "10")
        self.assertEqual((summary["images"], summary["top1"]), (4, 0.75))
        shutil.rmtree(self.data / "x")
        self.bad("--model", self.model, "--evaluate", self.data,
                 names=[self.model, "3 classes without names", "2 folders", "--labels"])

    def test_a_folder_that_is_no_class(self):
        self.image_of("data/red/a.png", (200, 0, 0))
        self.image_of("data/purple/a.png", (200, 0, 200))
        labels = self.folder / "labels.txt"
        labels.write_text("red\ngreen\nblue\n")
        self.bad("--model", self.model, "--labels", labels, "--evaluate", self.data,
                 names=[self.data / "purple/a.png", "'purple'", "red, green, blue"])

    def test_failed_images_do_not_count(self):
        for name in ("a.png", "b.png", "c.png"):
            self.image_of(f"data/red/{name}", (200, 0, 0))
        (self.data / "red/b.png").write_bytes(b"")
        labels = self.folder / "labels.txt"
        labels.write_text("red\ngreen\nblue\n")
        result = classify("--model", self.model, "--labels", labels, "--evaluate", self.data)
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stdout.decode(), r"\ntop-1 100\.00%, [^\n]+ second, without 1 "
                                                 r"failed image\n\Z")

    def test_no_image_is_named(self):
        self.bad("--model", self.model, "--evaluate", names=["--evaluate"])


class SingleScore(Case):
    def setUp(self):
        super().setUp()
        self.images = [self.image_of("dark.png", (51, 9, 9)), self.image_of("red.png", (204, 0, 0))]
        self.scores = [8 * 0.2 - 4, 8 * 0.8 - 4]

    def red(self, labels=None):
        metadata = {"sluice.labels": json.dumps(labels)} if labels else None
        return self.save("red.onnx", models.red(metadata))

    def test_a_score_is_no_probability(self):
        for labels in (None, ["red"], ["dark", "red"]):
            with self.subTest(labels=labels):
                lines = self.good("--model", self.red(labels), *self.images).splitlines()
                self.assertRegex(lines[0], r"^file +score +ms +MACs skipped$")
                self.assertRegex(lines[1], r"dark\.png +-2\.4 +\d+\.\d{3} +0\.0%$")
                self.assertRegex(lines[2], r"red\.png +2\.4 +\d+\.\d{3} +0\.0%$")
                for result, score in zip(self.objects("--model", self.red(labels), *self.images),
                                         self.scores):
                    np.testing.assert_allclose(result["scores"], [score], rtol=1e-5)
                    self.assertEqual((result["class"], result["index"], result["probability"]),
                                     (None, None, None))

    def test_sigmoid(self):
        low = 1 / (1 + np.exp(2.4))
        for labels, expected in (
                (None, [("class 0", 0, low), ("class 0", 0, 1 - low)]),
                (["red"], [("red", 0, low), ("red", 0, 1 - low)]),
                (["dark", "red"], [("dark", 0, 1 - low), ("red", 1, 1 - low)])):
            with self.subTest(labels=labels):
                results = self.objects("--model", self.red(labels), "--sigmoid", *self.images)
                for result, (name, index, probability) in zip(results, expected, strict=True):
                    self.assertEqual((result["class"], result["index"]), (name, index))
                    self.assertAlmostEqual(result["probability"], probability, 6)
        lines = self.good("--model", self.red(["dark", "red"]), "--sigmoid", "--top", 2,
                          self.images[0]).splitlines()
        self.assertRegex(lines[0], r"^file +class +score +probability +ms +MACs skipped$")
        self.assertRegex(lines[1], r"dark\.png +dark +-2\.4 +91\.7% +\d+\.\d{3} +0\.0%$")
        self.assertRegex(lines[2], r"^ +red +8\.3%$")

    def test_evaluation(self):
        for name, colour in (("a/1.png", (51, 0, 0)), ("b/1.png", (204, 0, 0)),
                             ("b/2.png", (51, 0, 0)), ("b/3.png", (230, 0, 0))):
            self.image_of("data/" + name, colour)
        data = self.folder / "data"
        for labels in (None, ["a", "b"]):
            summary = self.summary("--model", self.red(labels), "--sigmoid", "--evaluate", data)
            self.assertEqual((summary["top1"], summary["top5"]), (0.75, 1.0))
        self.bad("--model", self.red(), "--evaluate", data, names=["red.onnx", "--sigmoid"])
        self.bad("--model", self.red(["b"]), "--sigmoid", "--evaluate", data, names=["red.onnx"])

    def test_wrong_numbers_of_names_and_scores(self):
        self.bad("--model", self.red(["a", "b", "c"]), self.images[0],
                 names=["red.onnx", "3 class names", "1 score"])
        self.bad("--model", self.model, "--sigmoid", self.images[0],
                 names=[self.model, "3 scores", "--sigmoid"])


class NotFinite(Case):
    """Models that give zeros for black, and no finite scores for anything brighter."""

    def setUp(self):
        super().setUp()
        for name, colour in (("a", (0, 0, 0)), ("b", (250, 250, 250)), ("c", (0, 0, 0))):
            self.image_of(f"set/{name}.png", colour)

    def test_infinite_scores(self):
        self.reported(self.save("overflow.onnx", models.overflowing()))

    def test_scores_that_are_no_numbers(self):
        self.reported(self.save("undefined.onnx", models.undefined()))

    def reported(self, model):
        for threads in (1, 2):
            arguments = ["--model", model, "--threads", threads, self.folder / "set"]
            result = classify(*arguments)
            self.assertEqual(result.returncode, 2)
            message = result.stderr.decode()
            self.assertRegex(message, r"\Aclassify: [^\n]*b\.png: gets scores that are not finite "
                                      r"[^\n]+\n\Z")
            self.assertEqual(re.findall(rb"(.)\.png", result.stdout), [b"a", b"c"])
            self.assertIn(b"\n2 images, ", result.stdout)
            result = classify("--json", *arguments)
            self.assertEqual((result.returncode, result.stderr.decode()), (2, message))
            *objects, last = [json.loads(line, parse_constant=self.fail)
                              for line in result.stdout.splitlines()]
            self.assertEqual([o["scores"] for o in objects], [[0.0] * 3, [None] * 3, [0.0] * 3])
            self.assertEqual([objects[1][k] for k in ("class", "index", "probability")], [None] * 3)
            self.assertEqual((last["summary"]["images"], last["summary"]["failed"]), (2, 1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
