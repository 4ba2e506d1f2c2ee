"""Check that a build tree has as many tests as were counted, because a deleted test fails nowhere.

Usage: check_listing.py EXPECTED TREE CTEST BUILD_FOLDER PREFIX

EXPECTED has a line a group, `NAME RELEASE NEON`: the least number of tests whose name begins with
"NAME: " in each TREE, after PREFIX ("neon: ") where the tree puts one in front. Prints a line a
violation and exits 1 when there is any.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

TREES = ("release", "neon")
# What catch_discover_tests calls the tests of a missing executable.
NOT_BUILT = re.compile(r"(\w+)_NOT_BUILT(-\w+)?")


def read_expected(text: str, tree: str) -> dict[str, int]:
    """The least number of tests of each group in this tree."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {row[0]: int(row[1 + TREES.index(tree)]) for row in rows}


def violations(expected: dict[str, int], names: list[str], prefix: str) -> list[str]:
    """What the tests called `names` lack."""
    missing = [match[1] for match in map(NOT_BUILT.fullmatch, names) if match]
    if missing:
        return [f"{executable} is not built; build the whole tree" for executable in missing]
    found = []
    counts = Counter(name.removeprefix(prefix).split(":")[0] for name in names)
    for group, least in expected.items():
        if counts[group] < least:
            found.append(f"{group}: {counts[group]} tests, and {least} are expected; "
                         "if they are meant to go, lower the number")
    found += [f"{group}: {count} tests that nothing counts; add a line"
              for group, count in counts.items() if group not in expected]
    return found


def main() -> int:
    path, tree, ctest, folder, prefix = sys.argv[1:]
    listed = subprocess.run([ctest, "--test-dir", folder, "--show-only=json-v1"],
                            capture_output=True, text=True, check=True)
    names = [test["name"] for test in json.loads(listed.stdout)["tests"]]
    expected = read_expected(Path(path).read_text(encoding="utf-8"), tree)
    found = violations(expected, names, prefix)
    print("\n".join(f"{path}: {line}" for line in found) if found else f"{len(names)} tests")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
