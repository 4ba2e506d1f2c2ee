"""Look into libsluice.so and libsluice.a, and run the first in one process beside ONNX Runtime,
protobuf and OpenCV.

Usage: test_library.py SOURCE_ROOT LIBRARY ARCHIVE
"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE, LIBRARY, ARCHIVE = (Path(argument) for argument in sys.argv[1:4])
BESIDE = Path(__file__).with_name("beside.py")


def lines(*command: object) -> list[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=True).stdout.splitlines()


class Library(unittest.TestCase):
    def test_exports_are_the_functions_of_the_header(self) -> None:
        header = (SOURCE / "runtime/include/sluice/sluice.h").read_text(encoding="utf-8")
        declared = re.findall(r"^SLUICE_API [^(]*?(sluice_\w+)\(", header, re.MULTILINE)
        self.assertGreater(len(declared), 40)
        exported = [line.split()[-1] for line in lines("nm", "-D", "--defined-only", LIBRARY)]
        self.assertEqual(sorted(exported), sorted(declared))

    def test_needs_nothing_but_the_compilers_libraries(self) -> None:
        needed = re.findall(r"\(NEEDED\).*\[(.*?)\.so", "\n".join(lines("readelf", "-dW", LIBRARY)))
        self.assertEqual(set(needed) - {"libc", "libm", "libgcc_s", "libstdc++", "ld-linux-x86-64"}, set())

    def test_name(self) -> None:
        self.assertRegex("\n".join(lines("readelf", "-dW", LIBRARY)), r"\(SONAME\).*\[libsluice\.so\.\d+\]")

    def test_archive_has_no_name_of_another_library(self) -> None:
        symbols = [line.split(maxsplit=2)[2] for line in
                   lines("nm", "-C", "--defined-only", "--extern-only", "--no-sort", ARCHIVE)
                   if re.match(r"[0-9a-f]+ \w ", line)]
        self.assertTrue(any(symbol.startswith("sluice::Model::load(") for symbol in symbols))
        foreign = re.compile(r"((vtable|typeinfo|typeinfo name|guard variable) for )?"
                             r"(google::|onnx::|Halide::|halide_\w+$)")
        self.assertEqual([symbol for symbol in symbols if foreign.match(symbol)], [])

    def test_beside_other_engines(self) -> None:
        for order in ("first", "last"):
            with self.subTest(order):
                result = subprocess.run([sys.executable, BESIDE, SOURCE, LIBRARY, order],
                                        capture_output=True, text=True, check=False)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertIn("the answers agree", result.stdout)
                print(order, result.stdout.strip())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
