"""The code of docs/python.md runs, one block after the other, and prints what its comments say."""

import contextlib
import io
import os
import re
import unittest

import case

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Document(unittest.TestCase):
    def test_blocks(self):
        text = (case.ROOT / "docs" / "python.md").read_text()
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(case.ROOT)
        names, printed = {}, []
        for block in BLOCK.findall(text):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block, "docs/python.md", "exec"), names)
            printed.append(out.getvalue())
        self.assertEqual(len(printed), len(re.findall("^```python", text, re.MULTILINE)))
        self.assertEqual(printed[0], "cat\n")
        self.assertTrue(printed[1].startswith("input ('N', 3, 32, 32) float32\n"), printed[1])
        said = re.findall(r"print\(error.*# (.*)$", text, re.MULTILINE)
        self.assertEqual(printed[2].splitlines(), said)
        self.assertEqual(names["scores"].shape, (4, 10))


if __name__ == "__main__":
    unittest.main()
