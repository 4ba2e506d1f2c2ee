"""Each thing that check_listing.py forbids, in lists made for it, must be reported."""

import unittest

from check_listing import read_expected, violations

EXPECTED = "# name release neon\ngraph 2 1\nlarge 1 0\n"
COMPLETE = ["graph: a", "graph: b", "large: c: with a colon"]


class Listing(unittest.TestCase):
    def violations(self, names: list[str], tree: str = "release", prefix: str = "") -> list[str]:
        return violations(read_expected(EXPECTED, tree), names, prefix)

    def test_complete(self) -> None:
        self.assertEqual(self.violations(COMPLETE), [])
        self.assertEqual(self.violations([*COMPLETE, "graph: more"]), [])

    def test_one_is_gone(self) -> None:
        (line,) = self.violations(COMPLETE[1:])
        self.assertIn("graph: 1 tests, and 2 are expected", line)

    def test_a_folder_is_gone(self) -> None:
        (line,) = self.violations(COMPLETE[:2])
        self.assertIn("large: 0 tests, and 1 are expected", line)

    def test_nothing_counts_a_new_group(self) -> None:
        (line,) = self.violations([*COMPLETE, "plan: d"])
        self.assertIn("plan: 1 tests that nothing counts", line)

    def test_an_executable_is_not_built(self) -> None:
        for name in ("test_plan_NOT_BUILT", "test_plan_NOT_BUILT-b12d07c"):
            (line,) = self.violations([*COMPLETE, name])
            self.assertIn("test_plan is not built", line)

    def test_another_tree(self) -> None:
        self.assertEqual(self.violations(["neon: graph: a"], "neon", "neon: "), [])
        self.assertEqual(len(self.violations(["graph: a"], "neon", "neon: ")), 0)
        self.assertEqual(len(self.violations(["neon: large: c"], "neon", "neon: ")), 1)


if __name__ == "__main__":
    unittest.main()
