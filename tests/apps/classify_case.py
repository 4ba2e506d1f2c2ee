"""What the tests of apps/classify share: running the program, and a folder with a model and an image."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from PIL import Image

import classify_models as models

CHECKOUT = pathlib.Path(sys.argv[1])
CLASSIFY = sys.argv[2:]
DEMO = CHECKOUT / "tests/networks/resnet20_lccl_cifar10.onnx"
SAMPLES = CHECKOUT / "apps/samples"
# Of positions that are skipped, as apps/classify/heat_map.h states it.
SKIPPED = (6, 6, 8)


def classify(*arguments, **keywords):
    environment = {k: v for k, v in os.environ.items() if k != "SLUICE_TARGET"}
    environment.update(keywords.pop("environment", {}))
    keywords.setdefault("stdout", subprocess.PIPE)
    command = [*keywords.pop("within", ()), *CLASSIFY]
    words = [str(a) if isinstance(a, int) else os.fsencode(a) for a in arguments]
    return subprocess.run([*command, *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=environment, timeout=600, **keywords)


def nchw(image, metadata):
    """An image of the input's size, normalised as the metadata say."""
    mean = np.array(json.loads(metadata.get("sluice.mean", "[0, 0, 0]")), np.float32)
    deviation = np.array(json.loads(metadata.get("sluice.std", "[1, 1, 1]")), np.float32)
    samples = np.asarray(Image.open(image).convert("RGB"), np.float32) / np.float32(255)
    return ((samples - mean) / deviation).transpose(2, 0, 1)[None]


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.model = self.folder / "colour.onnx"
        onnx.save(models.mean_colour(), self.model)
        self.image = self.image_of("red.png", (200, 10, 10))

    def image_of(self, name, colour, size=(8, 8)):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", size, colour).save(path)
        return path

    def save(self, name, model):
        path = self.folder / name
        onnx.save(model, path)
        return path

    def good(self, *arguments, **keywords):
        result = classify(*arguments, **keywords)
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        return result.stdout.decode()

    def objects(self, *arguments):
        """What --json says of each image."""
        lines = [json.loads(line) for line in self.good("--json", *arguments).splitlines()]
        return [line for line in lines if "summary" not in line]

    def summary(self, *arguments, **keywords):
        last = self.good("--json", *arguments, **keywords).splitlines()[-1]
        return json.loads(last)["summary"]

    def bad(self, *arguments, names=(), **keywords):
        """Exit 2, one line on standard error that names the fault and a remedy, nothing else."""
        result = classify(*arguments, **keywords)
        message = result.stderr.decode()
        self.assertEqual(result.returncode, 2, result)
        self.assertRegex(message, r"\Aclassify: [^\n]*; [^\n]+\n\Z")
        for name in names:
            self.assertIn(str(name), message)
        self.assertFalse(result.stdout, message)
        self.assertEqual([], list(self.folder.rglob("*.part*")))
        return message
