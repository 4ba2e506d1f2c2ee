"""The data of sluice report: what it keeps of the programs' output, and the plan's graph. The page is tests/report's.

    test_report.py PROGRAM
"""

import argparse
import base64
import contextlib
import io
import json
import pathlib
import sys
import unittest

import numpy as np
from PIL import Image

import case
import sluice
from sluice.report import classified, command, masks, plan, times
from sluice.report.program import Program

PROGRAM = Program(pathlib.Path(sys.argv.pop(1)).resolve())
SAMPLES = case.ROOT / "apps" / "samples"


def options(**changes):
    given = {"model": case.GATED_INT8, "images": [str(SAMPLES)], "labels": None, "size": None, "target": None,
             "drawn": 2, "dense": None, "runs": 2, "seconds": 0.01}
    return argparse.Namespace(**{**given, **changes})


class Classified(case.Case):
    def test_densities_and_masks_are_the_models(self):
        found = classified.classify(PROGRAM, options())
        model = sluice.Model(case.GATED_INT8)
        mean, std = (np.array(json.loads(model.metadata["sluice." + key])) for key in ("mean", "std"))
        files = sorted(SAMPLES.glob("*.png"))
        self.assertEqual([image.file for image in found.images], list(map(str, files)))
        for number, (image, file) in enumerate(zip(found.images, files)):
            x = (np.asarray(Image.open(file)) / 255 - mean) / std
            scores = model(x.transpose(2, 0, 1)[None].astype(np.float32))
            self.assertEqual(image.label, json.loads(model.metadata["sluice.labels"])[scores.argmax()])
            self.assertAlmostEqual(image.skipped, 1 - model.macs_executed / model.macs)
            self.assertEqual(bool(image.masks), number < 2)
            for layer, gate in zip(found.layers, model.gates(), strict=True):
                self.assertEqual(layer.name, gate.layer)
                self.assertAlmostEqual(layer.densities[number], gate.density)
                if number < 2:
                    mask = image.masks[gate.layer]
                    active = np.array(mask.active).reshape(mask.height, mask.width)
                    np.testing.assert_array_equal(active, gate.mask.sum(axis=0))
            if number < 2:
                seen = Image.open(io.BytesIO(base64.b64decode(image.png)))
                np.testing.assert_array_equal(np.asarray(seen), np.asarray(Image.open(file)))

    def test_what_the_program_refuses(self):
        for changes, said in (({"images": [str(self.folder / "none.png")]}, "none.png"),
                              ({"model": self.folder / "none.onnx"}, "none.onnx")):
            with self.assertRaises(sluice.Error) as caught:
                classified.classify(PROGRAM, options(**changes))
            self.assertTrue(str(caught.exception).startswith(str(self.folder / said)), caught.exception)

    def test_short_names(self):
        self.assertEqual(classified.short_names(["/a/b/one/Conv", "/a/b/two/Conv"]), ["one", "two"])
        self.assertEqual(classified.short_names(["/a/x", "/a/x"]), ["x", "x"])
        self.assertEqual(classified.short_names(["/a/x"]), ["/a/x"])
        self.assertEqual(classified.short_names([]), [])


class Masks(unittest.TestCase):
    def test_pictures(self):
        mask = classified.Mask(2, 2, 3, (0, 1, 2, 2, 0, 0), (1.0, 1.25), 5 / 12)
        with Image.open(io.BytesIO(base64.b64decode(masks.mask_png(mask)))) as drawn:
            pixels = np.asarray(drawn.convert("LA"))
        np.testing.assert_array_equal(pixels[..., 0], 0)
        np.testing.assert_array_equal(pixels[..., 1], [[255, 127, 0], [0, 255, 255]])
        self.assertEqual(masks.cover(mask), "width:125.00%;height:100.00%")

    def test_layers_of_one_mask_share_a_tile(self):
        mask, other = (classified.Mask(1, 1, 2, active, (1, 1), 0.5) for active in ((0, 1), (1, 0)))
        layers = [classified.GatedLayer(name, name, True) for name in ("a/one", "a/two", "b/one")]
        image = classified.ClassifiedImage("x.png", "cat", 0.5, 0.5, "data",
                                           {"a/one": mask, "a/two": mask, "b/one": other})
        self.assertEqual([tile.label for tile in masks.tiles_of(layers, [image])], ["a/one, two", "b/one"])
        second = classified.ClassifiedImage("y.png", "cat", 0.5, 0.5, "data",
                                            {"a/one": mask, "a/two": other, "b/one": other})
        self.assertEqual(len(masks.tiles_of(layers, [image, second])), 3)


class Plan(case.Case):
    def test_every_algorithm_has_a_kind(self):
        rows = json.loads((case.ROOT / "generators" / "kernels.json").read_text())
        self.assertEqual(set(plan.WORDS), {row["algorithm"] for row in rows})

    def test_steps_of_a_small_network(self):
        steps = self.small().steps()
        self.assertEqual({name for step in steps for name in step.inputs}, {"x", "z"})
        self.assertEqual({name for step in steps for name in step.outputs}, {"y", "conv"})
        [conv] = [number for number, step in enumerate(steps) if step.algorithm == "gated_conv"]
        [added] = [step for step in steps if "z" in step.inputs or step.node == "sum"][-1:]
        readers = [step for step in steps if conv in step.reads]
        self.assertGreaterEqual(len(readers), 2, steps)  # the sum, and the output itself
        self.assertTrue(added)

    def test_reads_of_a_residual_network(self):
        steps = sluice.Model(case.GATED_INT8).steps()
        nodes = [step.node for step in steps]
        for number, step in enumerate(steps):
            # The shortcut writes constants, beside what it copies.
            self.assertTrue(step.reads or step.inputs or step.node.endswith("/shortcut/Pad"), step)
            self.assertTrue(all(read < number for read in step.reads), step)
        read_by = {number: {nodes[read] for read in step.reads} for number, step in enumerate(steps)}
        # Blocks with an identity shortcut, and what came before: blocks.0 and blocks.4 are not in the file.
        before = {1: "/conv/Conv", 2: "/blocks/blocks.1/conv2/Conv", 5: "/blocks/blocks.3/conv2/Conv",
                  7: "/blocks/blocks.6/conv2/Conv", 8: "/blocks/blocks.7/conv2/Conv"}
        for block, source in before.items():
            name = f"/blocks/blocks.{block}"
            [second] = [n for n, step in enumerate(steps)
                        if step.node == f"{name}/conv2/Conv" and step.algorithm == "int8_conv"]
            self.assertEqual(read_by[second], {f"{name}/gate/branch/Conv", f"{name}/conv1/Conv", source})

    def test_boxes_and_edges(self):
        step = {"kernel": "k", "shape": "", "macs": 0, "macs_per_entry": 0, "packed_bytes": 0, "remark": "",
                "inputs": (), "outputs": ()}
        steps = [sluice.Step(**{**step, "node": "gate", "algorithm": "branch", "reads": (), "inputs": ("x",)}),
                 sluice.Step(**{**step, "node": "conv", "algorithm": "positions", "reads": (0,)}),
                 sluice.Step(**{**step, "node": "conv", "algorithm": "gated_conv", "reads": (0, 1), "outputs": ("y",)})]
        timed = [(s.node, s.kernel, times.Spread(float(i), 0.0, 9.0)) for i, s in enumerate(steps)]
        found = times.Times({}, "", "images", 1, times.Spread(1, 1, 1), None, {}, timed)
        layer = classified.GatedLayer("conv", "conv", True, [0.25, 0.75])
        gate, conv = plan.boxes_of(steps, [layer], found)
        self.assertEqual((gate.kind, conv.kind, gate.density, conv.density), ("LCCL branch", "convolution", None, 0.5))
        self.assertEqual((conv.first, conv.microseconds), (1, [1.0, 2.0]))
        self.assertEqual(plan.edges_of([gate, conv]), [plan.Edge("in:x", "step_0", False), plan.Edge("step_0", "step_1", True),
                                                       plan.Edge("step_1", "out:y", False)])
        with self.assertRaisesRegex(sluice.Error, "another plan"):
            plan.boxes_of(steps[1:], [layer], found)


class Times(case.Case):
    def test_spread(self):
        self.assertEqual(times.Spread.of([3, 1, 2]), times.Spread(2, 1, 3))

    def test_runs_of_the_benchmark(self):
        class Canned:
            def benchmark(self, model, *words):
                Canned.seen = [path.resolve().name for path in pathlib.Path(words[words.index("--data") + 1]).iterdir()]
                Canned.milliseconds += 1
                row = {"layer": "a", "gated_ms": Canned.milliseconds, "dense_ms": 4 * Canned.milliseconds, "branch_ms": 0.5,
                       "dense_kernel": "dense_int8", "theoretical": 2}
                result = {"median_ms": 10.0 * Canned.milliseconds, "batch": 1, "version": "1", "inputs": "images"}
                return {"machine": {}, "results": [result], "layers": [row],
                        "steps": [{"node": "n", "kernel": "k", "ms": Canned.milliseconds}]}

        Canned.milliseconds = 0
        found = times.measure(Canned(), options(runs=3), [str(SAMPLES / "cat_0000.png")])
        self.assertEqual(Canned.seen, ["cat_0000.png"])
        self.assertEqual((found.network, found.dense), (times.Spread(20, 10, 30), None))
        self.assertEqual(found.layers["a"].gated, times.Spread(2000, 1000, 3000))
        self.assertEqual(found.layers["a"].speedup, 4)
        self.assertEqual(found.steps, [("n", "k", times.Spread(2000, 1000, 3000))])


class Command(case.Case):
    def refused(self, *words):
        said, printed = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
            status = command.main(list(map(str, words)), PROGRAM.path)
        self.assertEqual((status, said.getvalue().count("\n")), (2, 1), said.getvalue())
        self.assertTrue(said.getvalue().startswith("report: "))
        return said.getvalue()

    def test_options(self):
        self.assertIn("-o", self.refused(case.GATED_INT8, SAMPLES))
        good = (case.GATED_INT8, SAMPLES, "-o", self.folder / "page.html")
        for words in (("--runs", 0), ("--runs", "x"), ("--seconds", 0), ("--drawn", -1), ("--peers", "x")):
            self.assertIn(words[0], self.refused(*good, *words))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_where_nothing_can_be_written(self):
        for path in (self.folder, self.folder / "none" / "page.html"):
            self.assertIn(str(path), self.refused(case.GATED_INT8, SAMPLES, "-o", path))


if __name__ == "__main__":
    unittest.main()
