"""The names of ONNX Runtime, held against ONNX Runtime's own."""

import unittest

import numpy as np
import onnxruntime

import case
import sluice


class InferenceSession(case.Case):
    def setUp(self):
        super().setUp()
        self.path = self.save(case.small_net())
        self.ours = sluice.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])
        self.theirs = onnxruntime.InferenceSession(str(self.path),
                                                   providers=["CPUExecutionProvider"])
        self.feeds = {"x": case.images(2, 2, (5, 6, 9)), "z": case.images(2, 1, (7, 6, 9))}

    def test_run(self):
        for names in (None, ["conv"], ["conv", "y"], ["y", "y"]):
            ours, theirs = (s.run(names, self.feeds) for s in (self.ours, self.theirs))
            self.assertEqual((type(ours), len(ours)), (type(theirs), len(theirs)))
            for a, b in zip(ours, theirs):
                self.assert_close(a, b)

    def test_description(self):
        for method in ("get_inputs", "get_outputs"):
            ours, theirs = (getattr(s, method)() for s in (self.ours, self.theirs))
            self.assertEqual([(i.name, list(i.shape), i.type) for i in ours],
                             [(i.name, list(i.shape), i.type) for i in theirs])
        self.assertEqual(self.ours.get_modelmeta().custom_metadata_map,
                         self.theirs.get_modelmeta().custom_metadata_map)
        self.assertEqual(self.ours.get_providers(), self.theirs.get_providers())

    def test_types_of_bytes(self):
        for kind in (2, 3):
            path = str(self.save(case.of_bytes(kind), "bytes.onnx"))
            self.assertEqual(sluice.InferenceSession(path).get_inputs()[0].type,
                             onnxruntime.InferenceSession(path).get_inputs()[0].type)

    def test_contents(self):
        session = sluice.InferenceSession(self.path.read_bytes(), threads=2)
        self.assertEqual(session.model.threads, 2)
        for ours, theirs in zip(session.run(None, self.feeds), self.theirs.run(None, self.feeds)):
            self.assert_close(ours, theirs)

    def test_what_it_does_not_take(self):
        options = onnxruntime.SessionOptions()
        self.failure(sluice.InferenceSession, self.path, options)
        self.failure(sluice.InferenceSession, self.path, providers=["CUDAExecutionProvider"])
        self.failure(self.ours.run, None, self.feeds, object())
        self.assertIn("'y', 'conv'", self.failure(self.ours.run, ["none"], self.feeds).remedy)
        providers = [("CUDAExecutionProvider", {}), "CPUExecutionProvider"]
        self.assertEqual(len(sluice.InferenceSession(self.path, None, providers).get_inputs()), 2)


if __name__ == "__main__":
    unittest.main()
