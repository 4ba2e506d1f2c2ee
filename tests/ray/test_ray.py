"""Images of a folder and of Parquet, classified by two workers on a Ray of this machine; the code of docs/scale.md.

The answers are those of sluice.ImageClassifier, which tests/python holds against the program classify.
"""

import contextlib
import io
import os
import pathlib
import re
import tempfile
import unittest

import numpy as np
import pyarrow
import pyarrow.parquet
import ray
from PIL import Image

import classify_folder
import compare_workers
import sluice
import sluice.ray

ROOT = pathlib.Path(__file__).parents[2]
MODEL = str(ROOT / "models" / "int8" / "resnet20_block_d58_cifar10_int8.onnx")
SAMPLES = sorted((ROOT / "apps" / "samples").glob("*.png"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def setUpModule():
    """Ray's workers keep the folder that it is started in, where the document's files lie."""
    holder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(holder.cleanup)
    unittest.addModuleCleanup(os.chdir, os.getcwd())
    os.chdir(holder.name)
    classify_folder.start_ray()
    unittest.addModuleCleanup(ray.shutdown)


def make_photos(name):
    """Samples, a photograph of an odd size and a file that is none, in a new folder: its path."""
    photos = pathlib.Path(name).absolute()
    photos.mkdir()
    for sample in SAMPLES[4:8]:
        (photos / sample.name).write_bytes(sample.read_bytes())
    Image.open(SAMPLES[0]).resize((61, 47)).save(photos / "odd.jpg")
    (photos / "broken.png").write_bytes(SAMPLES[0].read_bytes()[:100])
    return photos


class Case(unittest.TestCase):
    def assert_rows(self, dataset, images, key, prefix=""):
        """Each row is what one process says of its image, and failures are those of images that it refuses."""
        classifier = sluice.ImageClassifier(MODEL)
        rows = {os.path.basename(row[key]): row for row in dataset.iter_rows()}
        self.assertEqual(sorted(rows), sorted(images))
        for name, contents in images.items():
            row = {column.removeprefix(prefix): value for column, value in rows[name].items()}
            try:
                expected = classifier(contents)
            except sluice.Error as error:
                self.assertEqual((row["error"], row["label"], row["index"]), (str(error), "", -1))
                self.assertTrue(np.isnan(row["score"]) and np.isnan(row["macs_share"]))
                continue
            self.assertEqual(row["error"], "")
            self.assertEqual((row["index"], row["label"], row["score"], row["macs_share"]), expected)


class Jobs(Case):
    def test_folder(self):
        photos = make_photos("folder")
        images = {path.name: path.read_bytes() for path in photos.iterdir()}
        self.assert_rows(classify_folder.classify(MODEL, str(photos)), images, "path")

    def test_dense_arrays_on_two_workers_as_on_none(self):
        images = np.random.default_rng(0).integers(0, 256, (90, 32, 32, 3), np.uint8)
        blocks = [images[:40], images[40:80], images[80:]]
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        options = {"model": MODEL, "column": compare_workers.COLUMN}
        _, expected = compare_workers.Loop(options).run(blocks)
        _, found = compare_workers.Workers(options, 2).run(blocks)
        self.assertEqual(compare_workers.differences(found, expected), [])
        found["index"][7] += 1
        self.assertEqual(compare_workers.differences(found, expected), ["index"])

    def test_a_model_that_is_missing_ends_the_job(self):
        with self.assertRaisesRegex(Exception, "none.onnx"):
            classify_folder.classify("none.onnx", str(ROOT / "apps" / "samples")).materialize()


class Document(Case):
    def test_blocks(self):
        """They run one after the other where photos/ and photos.parquet lie; a folder stands for the bucket of S3."""
        contents = {path.name: path.read_bytes() for path in make_photos("photos").iterdir()}
        table = pyarrow.table({"name": list(contents), "image": list(contents.values()),
                               "label": list(range(len(contents)))})
        pyarrow.parquet.write_table(table, "photos.parquet")
        os.symlink(ROOT / "models", "models")
        text = (ROOT / "docs" / "scale.md").read_text()
        blocks = BLOCK.findall(text)
        self.assertEqual(len(blocks), len(re.findall("^```python", text, re.MULTILINE)))
        names = {}
        printed = io.StringIO()
        for block in blocks:
            block = block.replace("s3://bucket/", f"{os.getcwd()}/")
            # The Ray of this process serves: its start is that of the block's own.
            block = re.sub(r"^ray\.init\(.*\)$", "", block, flags=re.MULTILINE)
            with contextlib.redirect_stdout(printed):
                exec(compile(block, "docs/scale.md", "exec"), names)
        self.assert_rows(names["of_folder"], contents, "path")
        self.assert_rows(names["of_parquet"], contents, "name", prefix="found_")
        self.assert_rows(ray.data.read_parquet(os.path.abspath("results")), contents, "path")
        self.assert_rows(ray.data.read_parquet(os.path.abspath("results-of-bucket")), contents, "path")
        self.assertIn("label='cat'", printed.getvalue())
        self.assertTrue(printed.getvalue().endswith("\n8\n"))


if __name__ == "__main__":
    unittest.main()
