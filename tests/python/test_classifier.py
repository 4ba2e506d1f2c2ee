"""Images classified from Python, held against the program classify, and batches of them as Ray Data has them.

    test_classifier.py CLASSIFY
"""

import io
import json
import pathlib
import pickle
import subprocess
import sys
import unittest

import numpy as np
from PIL import Image

import case
import sluice
import sluice.ray

CLASSIFY = pathlib.Path(sys.argv.pop(1)).resolve()
SAMPLES = sorted((case.ROOT / "apps" / "samples").glob("*.png"))
SIZES = ((32, 32), (33, 47), (7, 90), (120, 61), (1, 1))  # of height and width


def photograph(height, width, seed=0):
    """Smooth noise, uint8 [height, width, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def contents(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


class Classifying(case.Case):
    def by_program(self, model, paths, *arguments):
        """What classify --json says of each file."""
        done = subprocess.run([CLASSIFY, "--json", "--model", model, *arguments, *paths],
                              stdout=subprocess.PIPE, check=True, timeout=300)
        lines = map(json.loads, done.stdout.decode().splitlines())
        return [line for line in lines if "summary" not in line]

    def assert_same(self, found, said):
        self.assertEqual((found.label, found.class_index), (said["class"], said["index"]))
        self.assertEqual(found.score, said["probability"])
        self.assertEqual(found.macs_share, said["macs_executed"] / said["macs"])

    def test_files_as_the_program(self):
        for model in (case.GATED, case.GATED_INT8):
            classifier = sluice.ImageClassifier(model)
            for path, said in zip(SAMPLES, self.by_program(model, SAMPLES), strict=True):
                self.assert_same(classifier(path.read_bytes()), said)

    def test_sizes_and_preprocessing_as_the_program(self):
        ways = (((), {}),
                (("--resize", "40", "--interpolation", "bicubic"),
                 {"resize_shorter_side": 40, "interpolation": "bicubic"}),
                (("--mean", "0.1,0.2,0.3", "--std", "0.5,0.25,1"),
                 {"mean": (0.1, 0.2, 0.3), "std": np.array([0.5, 0.25, 1], np.float32)}))
        pixels = [photograph(*size, seed) for seed, size in enumerate(SIZES)]
        paths = [self.folder / f"{i}.png" for i in range(len(pixels))]
        for path, image in zip(paths, pixels):
            path.write_bytes(contents(image))
        for arguments, options in ways:
            classifier = sluice.ImageClassifier(case.GATED, **options)
            said = self.by_program(case.GATED, paths, *arguments)
            for image, path, expected in zip(pixels, paths, said, strict=True):
                self.assert_same(classifier(image), expected)
                self.assert_same(classifier(image[:, ::-1][:, ::-1]), expected)  # not dense
                self.assert_same(classifier(path.read_bytes()), expected)

    def test_input_of_the_exact_size_is_the_formula(self):
        classifier = sluice.ImageClassifier(case.GATED)
        mean, std = (np.array(json.loads(classifier.model.metadata["sluice." + key]), np.float32)
                     for key in ("mean", "std"))
        image = photograph(32, 32)
        expected = ((image / np.float32(255) - mean) / std).transpose(2, 0, 1)[None]
        np.testing.assert_array_equal(classifier.prepare(image), expected)
        self.assertEqual(classifier(expected[0]), classifier(image))

    def test_tensors_by_onnx_runtime(self):
        classifier = sluice.ImageClassifier(case.GATED, labels=[f"n{i}" for i in range(10)])
        for tensor in case.images(3):
            found = classifier(tensor)
            scores = case.answers(case.GATED, {"input": tensor[None]})[0][0].astype(float)
            probabilities = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
            self.assertEqual(found.class_index, scores.argmax())
            self.assertEqual(found.label, f"n{found.class_index}")
            self.assertAlmostEqual(found.score, probabilities.max(), places=3)

    def test_share_of_macs(self):
        classifier = sluice.ImageClassifier(case.GATED)
        tensor = case.images(1)
        model = sluice.Model(case.GATED)
        model(tensor)
        self.assertEqual(classifier(tensor[0]).macs_share, model.macs_executed / model.macs)

    def test_images_that_are_none(self):
        classifier = sluice.ImageClassifier(case.GATED)
        png = contents(photograph(20, 20))
        for image, said in ((b"", "is empty"), (b"text", "is not a JPEG"), (png[:90], "damaged PNG"),
                            (None, "no image"), (np.zeros((4, 4)), "float64 [4, 4]"),
                            (np.zeros((4, 4, 4), np.uint8), "uint8 [4, 4, 4]"),
                            (np.zeros((0, 4, 3), np.uint8), "has no pixels")):
            self.assertIn(said, self.failure(classifier, image).what)
        error = self.failure(classifier, np.full((3, 32, 32), np.nan, np.float32))
        self.assertEqual((error.file, error.what), (str(case.GATED), "gives scores that are not finite"))

    def test_networks_that_are_no_classifiers(self):
        small = self.save(case.small_net())
        self.assertIn("takes no colour image", self.failure(sluice.ImageClassifier, small).what)
        for options, said in (({"labels": ["a"]}, "has 1 class names and 10 scores"),
                              ({"std": (1, 0, 1)}, "sluice.std"), ({"mean": 3}, "sluice.mean"),
                              ({"interpolation": "nearest"}, "sluice.interpolation")):
            error = self.failure(sluice.ImageClassifier, case.GATED, **options)
            self.assertIn(said, error.what)
            self.assertEqual(error.file, str(case.GATED))


class Batches(case.Case):
    """sluice.ray.Classifier on a batch as Ray Data hands it over; no Ray takes part."""

    def classify(self, images, **options):
        column = np.empty(len(images), object)
        column[:] = images
        batch = {"image": column, "path": np.array([f"p{i}" for i in range(len(images))])}
        return sluice.ray.Classifier(case.GATED_INT8, **options)(batch)

    def test_rows_are_those_of_single_images(self):
        pixels = photograph(50, 40)
        png = contents(pixels)
        columns = self.classify([pixels, png, {"bytes": png, "path": None}])
        self.assertEqual(list(columns), ["path", "label", "index", "score", "macs_share", "error"])
        expected = sluice.ImageClassifier(case.GATED_INT8)(png)
        for i in range(3):
            row = tuple(columns[name][i] for name in ("index", "label", "score", "macs_share"))
            self.assertEqual((row, columns["error"][i]), (tuple(expected), ""))
        self.assertEqual(list(columns["path"]), ["p0", "p1", "p2"])

    def test_dense_array(self):
        images = np.stack([photograph(32, 32, seed) for seed in range(4)])
        columns = sluice.ray.Classifier(case.GATED_INT8, column="x")({"x": images})
        classifier = sluice.ImageClassifier(case.GATED_INT8)
        self.assertEqual(list(columns["index"]), [classifier(image).class_index for image in images])

    def test_bad_images_fail_alone(self):
        png = contents(photograph(20, 20))
        columns = self.classify([b"text", png, None, {}, png[:80]])
        self.assertEqual([bool(error) for error in columns["error"]], [True, False, True, True, True])
        self.assertIn("is not a JPEG", columns["error"][0])
        self.assertEqual((columns["label"][0], columns["index"][0]), ("", -1))
        self.assertTrue(np.isnan([columns["score"][0], columns["macs_share"][0]]).all())
        self.assertGreaterEqual(columns["index"][1], 0)

    def test_types_do_not_depend_on_the_rows(self):
        good = contents(photograph(20, 20))
        types = [{name: values.dtype for name, values in self.classify(images).items()}
                 for images in ([good], [b""], [good, b""])]
        self.assertEqual(types[0], types[1])
        self.assertEqual(types[0], types[2])

    def test_names_of_columns(self):
        png = contents(photograph(20, 20))
        made = sluice.ray.Classifier(case.GATED_INT8)
        batch = {"image": np.array([png], object), "label": np.array([5])}
        error = self.failure(made, batch)
        self.assertIn("has a column 'label' already", error.what)
        self.assertIn("prefix=", error.remedy)
        columns = sluice.ray.Classifier(case.GATED_INT8, prefix="found_")(batch)
        self.assertEqual((columns["label"][0], columns["found_error"][0]), (5, ""))
        self.assertIn("no column 'image'", self.failure(made, {"picture": np.zeros(1)}).what)

    def test_errors_travel_between_processes(self):
        error = self.failure(sluice.ray.Classifier, self.folder / "none.onnx")
        self.assertEqual(str(pickle.loads(pickle.dumps(error))), str(error))


if __name__ == "__main__":
    unittest.main()
