"""The code of the documents runs: each block of Python, and README's program in C++.

    test_code.py CXX INCLUDES LIBRARY

tests/package builds and runs the programs in C and C++ of docs/quickstart.md.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnxruntime
from blocks import of_language

ROOT = Path(__file__).resolve().parents[2]
CXX, INCLUDES, LIBRARY = sys.argv[1], sys.argv[2].split(":"), sys.argv[3]
DOCUMENTS = {"README.md": 1, "docs/quickstart.md": 2, "docs/python.md": 6}
PRINTED = re.compile(r"^ *print\(.*\) +# (.*)$", re.MULTILINE)


class Python(unittest.TestCase):
    def run_blocks(self, document: str, count: int) -> None:
        """Its blocks one after the other. What stands behind a print, as a comment, is a line that it prints."""
        found = of_language(ROOT / document, "python")
        self.assertEqual(len(found), count, document)
        names: dict[str, object] = {}
        for block in found:
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block, document, "exec"), names)
            for said in PRINTED.findall(block):
                self.assertIn(said, out.getvalue().splitlines(), document)
            if "print(" in block:
                self.assertTrue(out.getvalue(), document)

    def test_documents(self) -> None:
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(ROOT)
        for document, count in DOCUMENTS.items():
            with self.subTest(document):
                self.run_blocks(document, count)
        self.assertEqual(sum(len(PRINTED.findall("\n".join(of_language(ROOT / document, "python"))))
                             for document in DOCUMENTS), 5)


class Cpp(unittest.TestCase):
    def test_readme(self) -> None:
        code, = of_language(ROOT / "README.md", "cpp")
        model = re.search(r'load\("(.*?)"\)', code)[1]
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder, "example.cpp"), Path(folder, "example")
            source.write_text(code, encoding="utf-8")
            subprocess.run([CXX, "-std=c++20", "-Wall", "-Wextra", "-Werror", *(f"-I{path}" for path in INCLUDES),
                            str(source), "-o", str(program), LIBRARY, "-pthread", "-ldl"], check=True)
            done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=True)
            elsewhere = subprocess.run([program], cwd=folder, capture_output=True, text=True, check=False)
        session = onnxruntime.InferenceSession(ROOT / model, providers=["CPUExecutionProvider"])
        scores = session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, 32, 32), np.float32)})[0][0]
        # A quantised network: docs/limits.md says how far engines are apart.
        self.assertLess(abs(float(done.stdout) - scores[0]), 0.1 * np.abs(scores).max())
        self.assertEqual((elsewhere.returncode, elsewhere.stdout), (2, ""))
        self.assertIn(f"{model}: cannot be read", elsewhere.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
