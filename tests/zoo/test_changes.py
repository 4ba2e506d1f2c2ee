"""A refusal that is new, gone or worded anew must be reported, and nothing else."""

import unittest

from test_zoo import changes, shorten

KNOWN = ["net_dynamo batch 1: Conv_0 (Conv): has group 4", "net_dynamo batch N: Erf_1 (Erf): is unknown"]


class Changes(unittest.TestCase):
    def test_same(self) -> None:
        self.assertEqual(changes(KNOWN, list(KNOWN)), [])

    def test_gone(self) -> None:
        (line,) = changes(KNOWN, KNOWN[1:])
        self.assertIn("no longer refused so: net_dynamo batch 1", line)

    def test_new(self) -> None:
        (line,) = changes(KNOWN[:1], KNOWN)
        self.assertIn("not in refusals.txt: net_dynamo batch N", line)

    def test_worded_anew(self) -> None:
        self.assertEqual(len(changes(KNOWN[:1], [KNOWN[0] + "!"])), 2)

    def test_list_of_operators(self) -> None:
        self.assertEqual(shorten("Erf_1: is unknown; use only Dropout, Add, Conv"), "Erf_1: is unknown")


if __name__ == "__main__":
    unittest.main()
