"""Each rule of check_layering.py, broken once in a tree made for it, must be reported."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKER = Path(__file__).with_name("check_layering.py")


def check(files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the checker over a tree of `files`, path to text."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return subprocess.run(
            [sys.executable, CHECKER, folder], capture_output=True, text=True, check=False
        )


class Rules(unittest.TestCase):
    def assert_reported(self, files: dict[str, str], where: str) -> None:
        result = check(files)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual([line for line in result.stdout.splitlines() if line.startswith(where)],
                         result.stdout.splitlines())

    def test_earlier_folders_may_be_included(self) -> None:
        result = check({"runtime/plan/a.cpp": '#include "kernels/k.h"\n#include "sluice/s.h"\n'})
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_later_folder(self) -> None:
        self.assert_reported({"runtime/graph/a.h": '// A\n#include "plan/p.h"\n'},
                             "runtime/graph/a.h:2:")

    def test_public_header_includes_inner_one(self) -> None:
        self.assert_reported({"runtime/include/sluice/a.h": '#include <graph/graph.h>\n'},
                             "runtime/include/sluice/a.h:1:")

    def test_test_header_in_runtime(self) -> None:
        self.assert_reported({"runtime/plan/a.cpp": '#include "reference/tensor.h"\n'},
                             "runtime/plan/a.cpp:1:")

    def test_halide(self) -> None:
        self.assert_reported({"runtime/kernels/a.cpp": "#include <Halide.h>\n"},
                             "runtime/kernels/a.cpp:1:")

    def test_length(self) -> None:
        self.assert_reported({"runtime/graph/a.cpp": "\n" * 451}, "runtime/graph/a.cpp:451:")

    def test_empty_tree_is_not_a_pass(self) -> None:
        self.assertEqual(check({"apps/a.cpp": ""}).returncode, 2)


if __name__ == "__main__":
    unittest.main()
