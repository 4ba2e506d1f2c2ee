"""Runs the built classify as its users do: on the demo's images, on small models whose answers
are known, and on everything that a user can get wrong.

    test_classify.py CHECKOUT [EMULATOR] PATH_OF_CLASSIFY
"""

import base64
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import unittest

import numpy as np
import onnx
import onnxruntime
from PIL import Image

import classify_models as models
from classify_case import SKIPPED, DEMO, SAMPLES, Case, classify, nchw


class GoodPath(Case):
    def test_demo_agrees_with_onnx_runtime(self):
        session = onnxruntime.InferenceSession(DEMO, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        labels = json.loads(metadata["sluice.labels"])
        results = self.objects("--model", DEMO, SAMPLES)
        images = sorted(SAMPLES.glob("*.png"))
        self.assertEqual([r["file"] for r in results], [str(p) for p in images])
        for result, image in zip(results, images):
            [expected] = session.run(None, {"input": nchw(image, metadata)})[0]
            largest = float(np.abs(expected).max())
            np.testing.assert_allclose(result["scores"], expected, atol=1e-4 * largest, rtol=0)
            self.assertEqual(result["index"], int(expected.argmax()))
            self.assertEqual(result["class"], labels[result["index"]])
            exponentials = np.exp(expected.astype(np.float64) - expected.max())
            self.assertAlmostEqual(result["probability"],
                                   exponentials.max() / exponentials.sum(), 3)
            self.assertGreater(result["latency_ms"], 0)
            self.assertLess(result["macs_executed"], result["macs"])

    def test_json_fields_and_top(self):
        [result] = self.objects("--model", self.model, self.image)
        self.assertEqual(list(result), ["file", "class", "index", "probability", "scores",
                                        "latency_ms", "macs", "macs_executed"])
        self.assertEqual((result["class"], result["index"]), ("class 0", 0))
        np.testing.assert_allclose(result["scores"], np.array([200, 10, 10]) / 255, rtol=1e-5)
        [result] = self.objects("--model", self.model, "--top", 9, self.image)
        self.assertEqual([t["index"] for t in result["top"]], [0, 1, 2])
        self.assertAlmostEqual(sum(t["probability"] for t in result["top"]), 1.0)
        self.assertEqual(result["top"][0]["probability"], result["probability"])

    def test_scores_that_are_probabilities_stay(self):
        grey = self.image_of("sum_of_one.png", (153, 51, 51))
        [result] = self.objects("--model", self.model, grey)
        self.assertAlmostEqual(result["probability"], 0.6, 5)

    def test_table(self):
        labels = self.folder / "labels.txt"
        labels.write_text("red\ngreen\nblue\n")
        self.image_of("set/b.ppm", (0, 0, 99))
        self.image_of("set/a.png", (0, 99, 0))
        lines = self.good("--model", self.model, "--labels", labels, "--top", 2,
                          self.folder / "set").splitlines()
        self.assertRegex(lines[0], r"^file +class +probability +ms +MACs skipped$")
        self.assertRegex(lines[1], r"set/a\.png +green +\d+\.\d% +\d+\.\d{3} +-?\d+\.\d%$")
        self.assertRegex(lines[2], r"^ +red +\d+\.\d%$")
        self.assertRegex(lines[3], r"set/b\.ppm +blue ")
        self.assertRegex(lines[5], r"^2 images, median \d+\.\d{3} ms, -?\d+\.\d% of MACs skipped "
                                   r"on average, target \w+, 1 thread$")
        self.assertEqual(len(lines), 6)

    def test_preprocessing_of_metadata_and_flags(self):
        metadata = {"sluice.mean": "[0.5, 0, 0]", "sluice.std": "[0.5, 1, 2]",
                    "sluice.labels": '["a", "b", "c"]'}
        model = self.save("normalised.onnx", models.mean_colour(metadata=metadata))
        [result] = self.objects("--model", model, self.image)
        self.assertEqual(result["class"], "a")
        np.testing.assert_allclose(
            result["scores"], [(200 / 255 - 0.5) / 0.5, 10 / 255, 5 / 255], rtol=1e-5)
        [result] = self.objects("--model", model, "--mean", "0,0,1", "--std", "1,1,0.5",
                                self.image)
        np.testing.assert_allclose(result["scores"], [200 / 255, 10 / 255, (10 / 255 - 1) * 2],
                                   rtol=1e-5)
        # 16 x 8 with a red left and a blue right half: resized to the input both show, and so
        # they do in its middle; but of a shorter side of 32 the middle 8 are at the seam.
        seam = Image.new("RGB", (64, 32), (255, 0, 0))
        seam.paste((0, 0, 255), (36, 0, 64, 32))
        seam.save(self.folder / "seam.png")
        [whole] = self.objects("--model", self.model, self.folder / "seam.png")
        self.assertAlmostEqual(whole["scores"][0], 36 / 64, 2)
        [middle] = self.objects("--model", self.model, "--resize", 32, self.folder / "seam.png")
        self.assertAlmostEqual(middle["scores"][0], 1.0, 5)

    def test_explain_needs_no_image(self):
        plan = self.good("--model", DEMO, "--explain")
        self.assertGreater(len(plan.splitlines()), 20)
        self.assertIn("/blocks/blocks.0/conv1/conv/Conv", plan)

    def test_version_and_help(self):
        self.assertRegex(self.good("--version"), r"^classify \d+\.\d+\.\d+\n$")
        self.assertIn("--masks", self.good("--help"))

    def test_names_that_are_not_utf8(self):
        name = os.fsencode(self.folder) + b"/\xff\n.png"
        pathlib.Path(os.fsdecode(name)).write_bytes(self.image.read_bytes())
        [result] = self.objects("--model", self.model, os.fsdecode(name))
        self.assertTrue(result["file"].endswith("/\ufffd\n.png"))
        self.assertIn("/\ufffd?.png  class 0", self.good("--model", self.model, os.fsdecode(name)))

    def test_threads(self):
        one = self.objects("--model", DEMO, SAMPLES / "cat_0000.png")
        two = self.objects("--model", DEMO, "--threads", 2, SAMPLES / "cat_0000.png")
        np.testing.assert_allclose(one[0]["scores"], two[0]["scores"], rtol=1e-5)
        self.assertEqual(one[0]["macs_executed"], two[0]["macs_executed"])


class Gates(Case):
    def setUp(self):
        super().setUp()
        self.model = self.save("halves.onnx", models.halves())
        self.images = self.folder / "images"
        self.images.mkdir()
        half = Image.new("RGB", (8, 8), (0, 0, 0))
        half.paste((255, 255, 255), (4, 0, 8, 8))
        half.save(self.images / "half.png")

    def test_macs(self):
        [result] = self.objects("--model", self.model, self.images)
        self.assertEqual(result["macs"], 2 * 64 * 4 * 3 * 9)
        self.assertEqual(result["macs_executed"], 2 * (32 * 4 * 3 * 9 + 64 * 3))
        # 1 - (2 * 32 * 108 + 384) / 13824
        self.assertIn("  47.2%\n", self.good("--model", self.model, self.images))

    def test_mask_sheets(self):
        masks = self.folder / "out/masks"
        twin = self.image_of("twin/half.png", (255, 255, 255))
        self.good("--model", self.model, "--masks", masks, self.images, twin)
        self.assertEqual(sorted(p.name for p in masks.iterdir()),
                         ["half_2_masks.png", "half_masks.png"])
        half, white = (np.asarray(Image.open(masks / name))
                       for name in ("half_masks.png", "half_2_masks.png"))
        skipped = (half == SKIPPED).all(axis=2)
        # A swatch of the legend, and the left half of each of two maps, 176 = 22 * 8 pixels wide.
        swatch = int((white == SKIPPED).all(axis=2).sum())
        self.assertEqual(int(skipped.sum()) - swatch, 2 * 88 * 176)
        columns = np.flatnonzero(skipped.sum(axis=0) >= 176)
        self.assertEqual(len(columns), 2 * 88)
        self.assertEqual(columns[87] - columns[0], 87)
        # What is active has all the same brightness, and so the top of the scale.
        right = half[:, columns[87] + 1:columns[87] + 89]
        self.assertEqual(int((right == (250, 232, 46)).all(axis=2).sum()), 88 * 176)

    def test_gates(self):
        """The left half of each map is skipped, as the sheets show, and the image is what went in."""
        [result] = self.objects("--model", self.model, "--gates", self.images)
        with Image.open(io.BytesIO(base64.b64decode(result["image"]))) as seen, \
                Image.open(self.images / "half.png") as given:
            self.assertEqual(seen.format, "PNG")
            np.testing.assert_array_equal(np.asarray(seen), np.asarray(given))
        self.assertEqual(len(result["gates"]), 2)
        for gate in result["gates"]:
            self.assertEqual((gate["maps"], gate["height"], gate["width"], gate["grid"]), (1, 8, 8, 1))
            self.assertEqual((gate["output_height"], gate["output_width"]), (8, 8))
            self.assertEqual((gate["skips"], gate["density"]), (True, 0.5))
            self.assertEqual(gate["active"], [0, 0, 0, 0, 1, 1, 1, 1] * 8)
        self.bad("--model", self.model, "--gates", self.images, names=["--json"])

    def test_masks_of_the_demo(self):
        masks = self.folder / "masks"
        self.good("--model", DEMO, "--masks", masks, SAMPLES / "cat_0000.png")
        with Image.open(masks / "cat_0000_masks.png") as sheet:
            self.assertGreater(sheet.width, 1000)

    def test_masks_that_cannot_be_written(self):
        file = self.folder / "file"
        file.write_text("")
        self.bad("--model", self.model, "--masks", file, self.images, names=[file])
        # Nobody, root included, can make a file in /proc.
        self.bad("--model", self.model, "--masks", "/proc", self.images, names=["/proc"])
        self.bad("--model", self.model, "--masks", "/proc/x", self.images, names=["/proc/x"])
        if os.geteuid() != 0:
            locked = self.folder / "locked"
            locked.mkdir(mode=0o555)
            self.bad("--model", self.model, "--masks", locked, self.images, names=[locked])

    def test_a_sheet_that_cannot_be_written_leaves_nothing(self):
        masks = self.folder / "masks"
        (masks / "half_masks.png").mkdir(parents=True)
        self.bad("--model", self.model, "--masks", masks, self.images,
                 names=[masks / "half_masks.png"])
        self.assertEqual([masks / "half_masks.png"], list(masks.iterdir()))

    def test_masks_on_a_disk_that_is_read_only_or_full(self):
        disk = self.folder / "disk"
        disk.mkdir()
        # What the run leaves on the disk is listed on standard output, which has to be empty.
        script = """mount -t tmpfs -o "$1" none "$0" || exit
                    shift; "$@"; code=$?; ls -A "$0"; exit $code"""
        for options, fault in (("ro", "Read-only"), ("size=4k", "full")):
            within = ["unshare", "--mount", "sh", "-c", script, str(disk), options]
            probe = subprocess.run([*within, "true"], stderr=subprocess.PIPE)
            if probe.returncode != 0:
                self.skipTest(f"cannot mount here: {probe.stderr.decode().strip()}")
            with self.subTest(options):
                self.bad("--model", DEMO, "--masks", disk, SAMPLES / "cat_0000.png", within=within,
                         names=[disk, fault])

    def test_masks_of_a_network_without_gates(self):
        model = self.save("dense.onnx", models.mean_colour())
        self.bad("--model", model, "--masks", self.folder / "out", self.images,
                 names=[model, "no gated layer"])
        self.assertFalse((self.folder / "out").exists())


class BadModels(Case):
    def bad_model(self, path, *names):
        self.bad("--model", path, self.image, names=[path, *names])
        self.bad("--model", path, "--explain", names=[path, *names])

    def test_files_that_are_no_models(self):
        self.bad_model(self.folder / "missing.onnx")
        self.bad_model(self.folder)
        whole = DEMO.read_bytes()
        damaged = self.folder / "damaged.onnx"
        for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
            damaged.write_bytes(whole[:length])
            with self.subTest(length=length):
                self.bad_model(damaged)
        for seed in range(8):
            damaged.write_bytes(random.Random(seed).randbytes(4096))
            with self.subTest(seed=seed):
                self.bad_model(damaged)

    def test_unsupported_operator(self):
        self.bad_model(self.save("det.onnx", models.unsupported()), "/act/Det", "Det")

    def test_nodes_that_cannot_be(self):
        self.bad_model(self.save("mismatched.onnx", models.mismatched()), "/conv/Conv",
                       "[3, 4, 1, 1]")
        self.bad_model(self.save("padded.onnx", models.padded_with_nothing()), "/pad/Pad", "[0]")

    def test_changed_bytes_never_crash(self):
        whole = models.halves().SerializeToString()
        path = self.folder / "changed.onnx"
        refused = 0
        for seed in range(40):
            chance = random.Random(seed)
            changed = bytearray(whole)
            for _ in range(3):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            path.write_bytes(changed)
            with self.subTest(seed=seed):
                result = classify("--model", path, self.image)
                self.assertIn(result.returncode, (0, 2), result)
                if result.returncode == 2:
                    refused += 1
                    self.assertRegex(result.stderr.decode(errors="replace"),
                                     r"\Aclassify: [^\n]*; [^\n]+\n\Z")
        self.assertGreater(refused, 0)

    def test_missing_external_data(self):
        path = self.folder / "external.onnx"
        onnx.save_model(models.convolution(np.ones((3, 3, 1, 1))), path, save_as_external_data=True,
                        location="weights.bin", size_threshold=0)
        self.good("--model", path, self.image)
        (self.folder / "weights.bin").unlink()
        self.bad_model(path, "weights.bin")

    def test_nan_weight(self):
        weights = np.ones((3, 3, 1, 1))
        weights[1, 1] = np.nan
        for name, model in (("nan", models.convolution(weights)), ("root", models.negative_variance())):
            path = self.save(f"{name}.onnx", model)
            self.bad("--model", path, self.image, names=[path, self.image, "not finite"])

    def test_networks_that_classify_no_images(self):
        grey = models.model(
            [models.helper.make_node("GlobalAveragePool", ["input"], ["pooled"], "pool"),
             models.helper.make_node("Flatten", ["pooled"], ["scores"], "flatten")],
            inputs=[("input", ["N", 1, 8, 8])], outputs=[("scores", ["N", 1])])
        vector = models.model([models.helper.make_node("Relu", ["input"], ["scores"], "relu")],
                              inputs=[("input", ["N", 3])])
        self.bad_model(self.save("grey.onnx", grey), "'input' [N, 1, 8, 8]", "[N, 3, height, width]")
        self.bad_model(self.save("vector.onnx", vector), "'input' [N, 3]")
        self.bad_model(self.save("batch.onnx", models.mean_colour((5, 3, 8, 8))), "batches of 5")
        self.bad_model(self.save("map.onnx", models.feature_map()), "'features' [N, 3, 8, 8]")

    def test_scores_that_overflow(self):
        model = self.save("overflow.onnx", models.overflowing())
        self.bad("--model", model, self.image, names=[model, self.image, "finite"])

    def test_metadata_of_the_wrong_form(self):
        for key, value in (("sluice.mean", "[1]"), ("sluice.std", "x"), ("sluice.labels", "[1]"),
                           ("sluice.labels", '["one", "two"]'),
                           ("sluice.resize_shorter_side", "0"),
                           ("sluice.interpolation", '"nearest"')):
            with self.subTest(key=key, value=value):
                self.bad_model(self.save("meta.onnx", models.mean_colour(metadata={key: value})))


class BadImages(Case):
    def test_damaged_images(self):
        buffer = io.BytesIO()
        Image.open(SAMPLES / "cat_0000.png").save(buffer, "JPEG")
        jpeg = buffer.getvalue()
        noise = random.Random(1).randbytes(2000)
        for name, data in {"empty.jpg": b"", "truncated.jpg": jpeg[:len(jpeg) // 2],
                           "truncated.png": self.image.read_bytes()[:50],
                           "random.png": noise, "random.jpg": jpeg[:20] + noise,
                           "header.ppm": b"P6 10 10 255\n", "huge.ppm": b"P6 99999 99999 255\n",
                           "text.png": b"hello"}.items():
            with self.subTest(name):
                path = self.folder / name
                path.write_bytes(data)
                self.bad("--model", self.model, path, names=[path])
                self.bad("--model", self.model, "--json", path, names=[path])

    def test_missing_image_and_empty_folder(self):
        self.bad("--model", self.model, self.folder / "no.png", names=[self.folder / "no.png"])
        empty = self.folder / "empty"
        empty.mkdir()
        self.bad("--model", self.model, empty, names=[empty])
        (empty / "notes.txt").write_text("")
        self.bad("--model", self.model, empty, names=[empty])

    def test_the_others_of_a_folder_go_on(self):
        mixed = self.folder / "mixed"
        for name in ("a.png", "c.png"):
            self.image_of(f"mixed/{name}", (1, 2, 3))
        (mixed / "b.png").write_bytes(b"")
        for flags in ((), ("--json",)):
            result = classify("--model", self.model, *flags, mixed)
            self.assertEqual(result.returncode, 2)
            self.assertRegex(result.stderr.decode(), r"\Aclassify: [^\n]*mixed/b\.png: [^\n]+\n\Z")
            self.assertEqual(len(re.findall(rb"mixed/[ac]\.png", result.stdout)), 2)

    def test_images_smaller_than_the_input(self):
        self.bad("--model", self.model, "--resize", 4, self.image, names=["--resize 4", "side of 8"])
        # A quarter of the input is the image, the rest zeros, as torchvision's CenterCrop pads.
        padded = self.save("padded.onnx", models.mean_colour(
            metadata={"sluice.resize_shorter_side": "4"}))
        [result] = self.objects("--model", padded, self.image)
        np.testing.assert_allclose(result["scores"], np.array([50, 2.5, 2.5]) / 255, rtol=1e-5)


class Sizes(Case):
    def test_a_symbolic_size_is_given(self):
        model = self.save("symbolic.onnx", models.mean_colour(("N", 3, "H", "W")))
        image = self.image_of("wide.png", (51, 102, 204), (12, 6))
        [result] = self.objects("--model", model, "--size", "6x12", image)
        np.testing.assert_allclose(result["scores"], [0.2, 0.4, 0.8], rtol=1e-5)
        self.bad("--model", model, image, names=["'H' (axis 2), 'W' (axis 3)", "--size HxW"])
        self.bad("--model", model, "--size", "6by12", image, names=["--size", "224x224"])
        self.bad("--model", self.model, "--size", "9x8", image, names=["of 8x8", "9x8"])


class BadCommands(Case):
    def test_command_lines(self):
        for arguments, name in ((["--threads", "0"], "--threads"), (["--threads", "x"], "--threads"),
                                (["--threads", "257"], "1 to 256"),
                                (["--top", "0"], "--top"), (["--frobnicate"], "--frobnicate"),
                                (["--mean", "1,2"], "--mean"), (["--std", "0,1,1"], "--std"),
                                (["--resize", "-1"], "--resize"),
                                (["--interpolation", "nearest"], "bicubic"),
                                (["--json", "--explain"], "--explain")):
            with self.subTest(arguments):
                self.bad("--model", self.model, *arguments, self.image, names=[name])
        self.bad(self.image, names=["--model"])
        self.bad("--model", self.model, names=["no image"])
        self.bad("--model", names=["--model"])

    def test_labels(self):
        labels = self.folder / "labels.txt"
        labels.write_text("one\ntwo\n")
        self.bad("--model", self.model, "--labels", labels, self.image,
                 names=[labels, "2 class names", "3 scores"])
        labels.write_text("")
        self.bad("--model", self.model, "--labels", labels, self.image, names=[labels])
        self.bad("--model", self.model, "--labels", self.folder / "no.txt", self.image,
                 names=["no.txt"])

    def test_targets(self):
        [usual] = self.objects("--model", self.model, self.image)
        message = self.bad("--model", self.model, "--target", "mmx", self.image, names=["'mmx'"])
        possible = message.split("choose one of: ")[1].strip().split(", ")
        for target in possible:
            [forced] = self.objects("--model", self.model, "--target", target, self.image)
            np.testing.assert_allclose(forced["scores"], usual["scores"], rtol=1e-5)
            self.assertIn(f"target {target},",
                          self.good("--model", self.model, "--target", target, self.image))
        self.bad("--model", self.model, self.image, environment={"SLUICE_TARGET": "mmx"},
                 names=["'mmx'", *possible])

    def test_output_that_cannot_be_written(self):
        for arguments in (["--model", self.model, self.image],
                          ["--model", self.model, "--json", self.image],
                          ["--model", self.model, "--explain"], ["--help"], ["--version"]):
            with self.subTest(arguments), open("/dev/full", "wb") as full:
                self.bad(*arguments, stdout=full, names=["standard output"])
                self.bad(*arguments, stdout=None, preexec_fn=lambda: os.close(1),
                         names=["standard output"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
