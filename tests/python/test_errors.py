"""Whatever is wrong is a sluice.Error that names the file, the place and a remedy."""

import pathlib
import pickle
import unittest

import numpy as np

import case
import sluice


class Loading(case.Case):
    def test_no_file(self):
        error = self.failure(sluice.Model, self.folder / "none.onnx")
        self.assertEqual(error.file, str(self.folder / "none.onnx"))

    def test_no_model(self):
        path = self.folder / "bad.onnx"
        for contents in (b"", b"no protobuf", bytes(range(256))):
            path.write_bytes(contents)
            self.assertEqual(self.failure(sluice.Model, path).file, str(path))

    def test_what_sluice_does_not_compute_names_its_node(self):
        net = case.small_net()
        net.graph.node[1].op_type = "Mod"
        error = self.failure(sluice.Model, self.save(net))
        self.assertIn("Mod", error.node)

    def test_arguments(self):
        path = self.save(case.small_net())
        self.assertIn("avx2", self.failure(sluice.Model, path, target="mmx").remedy)
        for threads in (0, -1, 257):
            self.assertIn("1 to 256", self.failure(sluice.Model, path, threads=threads).remedy)
        self.assertIn("1 to 256", self.failure(sluice.Model(path).copy, threads=-1).remedy)
        for wrong in ({"threads": "two"}, {"size": 224}, {"int8": None}, {"unknown": 1}):
            self.assertRaises(TypeError, sluice.Model, path, **wrong)
        self.assertRaises(TypeError, sluice.Model, 5)


class Running(case.Case):
    def setUp(self):
        super().setUp()
        self.model = self.small()
        self.x, self.z = case.images(2, 2, (5, 6, 9)), case.images(2, 1, (7, 6, 9))

    def check(self, place, said, x, z):
        error = self.failure(self.model, x, z)
        self.assertEqual((error.file, error.node), (str(self.folder / "model.onnx"), place))
        self.assertIn(said, error.what)

    def test_shapes(self):
        self.check("x", "[2, 5, 6, 8] and needs [batch, 5, 6, 9]", self.x[..., 1:], self.z)
        self.check("x", "[2, 5, 54]", self.x.reshape(2, 5, 54), self.z)
        self.check("x", "[]", np.float32(1), self.z)
        self.check("z", "[1, 7, 6, 9]", self.x, self.z[:1])
        self.check("x", "[0, 5, 6, 9]", self.x[:0], self.z[:0])
        self.check("x", "[2, 5, 6, 0]", self.x[..., :0], self.z)
        huge = np.lib.stride_tricks.as_strided(self.x, (10**12, 2), (0, 4))[:1, :1]
        self.check("x", "[1, 1]", huge, self.z)

    def test_element_types(self):
        for dtype in (np.float64, np.float16, np.uint8, np.int64, np.bool_, np.complex64, ">f4"):
            self.check("x", f"has elements of {np.dtype(dtype)} and needs float32",
                       self.x.astype(dtype), self.z)
        self.assertEqual(self.failure(self.model, self.x.astype(float), self.z).remedy,
                         "pass array.astype(numpy.float32)")
        self.check("x", "has elements of object", None, self.z)
        self.check("x", "has elements of <U5", "image", self.z)
        self.check("z", "has elements of float64", self.x, self.z.tolist())

    def test_counts(self):
        for arrays in ((), (self.x,), (self.x, self.z, self.z)):
            error = self.failure(self.model, *arrays)
            self.assertIn(f"got {len(arrays)} inputs", error.what)

    def test_names(self):
        for feeds, said in (({}, "'x'"), ({"x": self.x}, "'z'"),
                            ({"x": self.x, "z": self.z, "mask": self.x}, "no input 'mask'")):
            error = self.failure(self.model.run, feeds)
            self.assertIn(said, error.what)
            self.assertIn("'x', 'z'", error.remedy)
        self.assertRaises(TypeError, self.model.run, self.x)
        self.assertRaises(TypeError, self.model.run, 5)

    def test_a_failed_run_changes_nothing(self):
        before = self.model(self.x, self.z)
        self.failure(self.model, self.x, self.x)
        for was, now in zip(before, self.model(self.x, self.z)):
            np.testing.assert_array_equal(was, now)

    def test_before_the_first_run(self):
        self.assertEqual(self.failure(self.model.gates).remedy, "run it once first")
        self.failure(lambda: self.model.macs_executed)
        self.failure(self.model, self.x, self.x)
        self.failure(self.model.gates)

    def test_memory_of_another_device(self):
        class Elsewhere:
            def __dlpack_device__(self):
                return 2, 0

            def __dlpack__(self, **_):
                raise BufferError("is on another device")
        self.assertRaises((sluice.Error, BufferError, TypeError), self.model, Elsewhere(), self.z)


class Exceptions(case.Case):
    def test_pickle(self):
        error = self.failure(sluice.Model, self.folder / "none.onnx")
        again = pickle.loads(pickle.dumps(error))
        self.assertIsInstance(again, sluice.Error)
        self.assertEqual((str(again), again.file, again.node, again.what, again.remedy),
                         (str(error), error.file, error.node, error.what, error.remedy))

    def test_message_alone(self):
        error = sluice.Error("said")
        self.assertEqual((str(error), error.what, error.file), ("said", "said", ""))

    def test_paths(self):
        for kind in (str, pathlib.Path):
            self.assertEqual(len(sluice.Model(kind(self.save(case.small_net()))).inputs), 2)


if __name__ == "__main__":
    unittest.main()
