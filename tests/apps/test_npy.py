"""Gives the built run .npy files of every kind, good and bad, with NumPy as the oracle.

    test_npy.py CHECKOUT [EMULATOR] PATH_OF_RUN
"""

import io
import itertools
import random
import struct
import sys
import unittest

import numpy as np
from numpy.lib import format as npy_format

import run_case

SHAPE = (2, 3, 4)


def file_of(header, data=b"\0" * 96, version=(1, 0)):
    """A file with any text as its header."""
    text = header.encode() + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


class Npy(run_case.Case):
    def setUp(self):
        super().setUp()
        self.model = self.save_model(run_case.identity(*SHAPE))

    def read_back(self, path):
        self.good("--model", self.model, "--input", path, "--output", self.out)
        return np.load(self.out / "y.npy")

    def check(self, array, name="x.npy"):
        found = self.read_back(self.save(name, array))
        np.testing.assert_array_equal(found, array.astype(np.float32))
        self.assertEqual(found.dtype, np.float32)

    def bytes_file(self, data):
        path = self.folder / "raw.npy"
        path.write_bytes(data)
        return path

    def bad_bytes(self, data, *names):
        path = self.bytes_file(data)
        return self.bad("--model", self.model, "--input", path, names=[path, *names])

    def bad_array(self, array, *names):
        path = self.save("x.npy", array, allow_pickle=True)
        self.bad("--model", self.model, "--input", path, names=[path, *names])


class Good(Npy):
    def test_types_and_orders(self):
        values = np.random.default_rng(1).normal(size=SHAPE) * 50
        for kind, order, layout in itertools.product(
                ("f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"), "<>", "CF"):
            kept = np.abs(values) if kind[0] == "u" else values
            with self.subTest(kind=kind, order=order, layout=layout):
                self.check(np.array(kept.astype(order + kind), order=layout))

    def test_versions(self):
        array = np.arange(24, dtype=np.float32).reshape(SHAPE)
        for version in ((1, 0), (2, 0), (3, 0)):
            stream = io.BytesIO()
            npy_format.write_array(stream, array, version)
            with self.subTest(version):
                np.testing.assert_array_equal(self.read_back(self.bytes_file(stream.getvalue())),
                                              array)

    def test_every_half(self):
        self.model = self.save_model(run_case.identity(2, 32768))
        halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(2, 32768)
        self.check(halves)

    def test_values_at_the_edges(self):
        edge = 1 << 24
        self.check(np.array([edge, -edge] * 12, np.int64).reshape(SHAPE))
        self.check(np.array([edge] * 24, np.uint64).reshape(SHAPE))
        largest = float(np.finfo(np.float32).max)
        self.check(np.array([largest, -largest, 1e-300, 0.1, np.nan, np.inf] * 4).reshape(SHAPE))

    def test_longer_than_a_block(self):
        self.model = self.save_model(run_case.identity(3, 50000))
        values = np.random.default_rng(2).normal(size=(3, 50000))
        for layout in "CF":
            self.check(np.array(values, order=layout))

    def test_file_that_is_written(self):
        """As NumPy writes it itself, byte for byte."""
        array = np.arange(24, dtype=np.float32).reshape(SHAPE)
        path = self.save("x.npy", array)
        self.read_back(path)
        self.assertEqual((self.out / "y.npy").read_bytes(), path.read_bytes())


class Bad(Npy):
    def test_types(self):
        self.bad_array(np.array([{}] * 24).reshape(SHAPE), "pickled")
        self.bad_array(np.zeros(SHAPE, "c8"), "'<c8'")
        self.bad_array(np.zeros(SHAPE, "U3"), "'<U3'")
        self.bad_array(np.zeros(SHAPE, "M8[s]"), "'<M8[s]'")
        self.bad_array(np.zeros(SHAPE, [("a", "f4"), ("b", "i4")]), "fields")
        self.bad_array(np.zeros(SHAPE, np.longdouble), "'<f16'")
        # An object among the fields of a record is pickled too.
        self.bad_array(np.zeros(SHAPE, [("a", "O")]), "fields")

    def test_values_that_float32_cannot_hold(self):
        for kind, value in (("f8", 1e300), ("f8", -3.5e38), ("i4", 2**24 + 1), ("i8", -2**63),
                            ("u8", 2**64 - 1)):
            array = np.zeros(SHAPE, kind)
            array[1, 2, 3] = value
            with self.subTest(kind=kind):
                self.bad_array(array, "float32 cannot hold")

    def test_shapes(self):
        for shape in ((2, 3), (2, 3, 5), (2, 3, 4, 1), (24,), (), (2, 0, 4)):
            with self.subTest(shape):
                self.bad_array(np.zeros(shape, np.float32), list(shape), "'x' [2, 3, 4]")

    def test_files_that_are_no_arrays(self):
        whole = self.save("x.npy", np.zeros(SHAPE, np.float32)).read_bytes()
        # An emulated run takes ten times as long.
        for length in range(0, len(whole), 1 if len(run_case.RUN) == 1 else 16):
            self.bad_bytes(whole[:length])
        self.bad_bytes(whole + b"\0", "97 bytes", "96")
        self.bad_bytes(b"PK\3\4" + bytes(100), ".npz")
        self.bad_bytes(whole[:6] + b"\4\0" + whole[8:], "4.0")
        for path in (self.folder, self.folder / "none.npy", "/dev/zero"):
            self.bad("--model", self.model, "--input", path, names=[path])

    def test_headers(self):
        good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4), }"
        self.read_back(self.bytes_file(file_of(good)))
        for header in ("", "{", "{}", "{}{}", good + "x", good[:-1], "[" + good + "]",
                       good.replace("'descr': '<f4', ", ""), good.replace(", }", ", 'more': 1}"),
                       good.replace("{", "{'descr': '<f4', "), good.replace("False", "0"),
                       good.replace("(2, 3, 4)", "[2, 3, 4]"), good.replace("(2, 3, 4)", "24"),
                       good.replace("(2, 3, 4)", "(24)"), good.replace("3, 4)", "3 4)"),
                       good.replace("2, 3", "-2, -3"), good.replace("2, 3", "2.0, 3"),
                       good.replace("2,", "9" * 30 + ","), good.replace("2,", "2,,"),
                       good.replace("<f4", "f4"), good.replace("<f4", "<f3"),
                       good.replace("'<f4'", "'<f4"), good.replace("'<f4'", "4")):
            with self.subTest(header):
                self.bad_bytes(file_of(header))

    def test_sizes_that_lie(self):
        def header(*shape):
            return str({"descr": "<f4", "fortran_order": False, "shape": shape})

        self.bad_bytes(file_of(header(2, 3, 5)), "96 bytes", "120")
        self.bad_bytes(file_of(header(1 << 30)), "96 bytes")
        self.bad_bytes(file_of(header(*[1] * 65)), "65 axes")
        # The products of some are 0, others pass 64 bits and are 0 again.
        for shape in ((2**31, 2**31), (2**62, 2**62, 0), (0, 2**63 - 1), (2**40,), (4, 2**62),
                      (2**32, 2**32)):
            with self.subTest(shape):
                self.bad_bytes(file_of(header(*shape), b""), "2^31")
        # Lengths of headers beyond the file, and beyond reason.
        for length in (200, 1 << 20, (1 << 32) - 1):
            self.bad_bytes(b"\x93NUMPY\2\0" + struct.pack("<I", length) + b" " * 100)

    def test_changed_bytes_never_crash(self):
        whole = self.save("x.npy", np.ones(SHAPE, np.float64)).read_bytes()
        refused = 0
        for seed in range(60):
            chance = random.Random(seed)
            changed = bytearray(whole)
            for _ in range(2):
                changed[chance.randrange(128)] = chance.randrange(256)
            result = self.run_app("--model", self.model, "--input", self.bytes_file(changed))
            self.assertIn(result.returncode, (0, 2), (seed, result))
            refused += result.returncode == 2
        self.assertGreater(refused, 10)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
