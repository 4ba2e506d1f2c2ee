#!/usr/bin/env python3
"""Say whether the commit that is checked out can be released.

A release is a commit with the tag vVERSION. CHANGELOG.md then has an entry of that version and no unreleased
one. Any other commit makes files to try, whose changes stand under the unreleased heading.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from facts import ReleaseError, output, version


def check(root: Path) -> str:
    """What is built, in a clause."""
    number = version(root)
    changes = output(root, "git", "status", "--porcelain")
    if changes:
        raise ReleaseError(f"these differ from the last commit, or are not in it:\n{changes}\ncommit or remove them")
    return check_changelog(number, output(root, "git", "tag", "--points-at", "HEAD").split(),
                           (root / "CHANGELOG.md").read_text("utf-8"))


def check_changelog(number: str, tags: list[str], changelog: str) -> str:
    headings = re.findall(r"^## \[(.*?)\](.*)$", changelog, re.M)
    names = [name for name, _ in headings]
    versions = [tag[1:] for tag in tags if re.fullmatch(r"v[0-9.]+", tag)]
    if versions and versions != [number]:
        raise ReleaseError(f"the tag says {', '.join(versions)} and CMakeLists.txt {number}: set the one as the other")
    if not versions:
        if "Unreleased" not in names:
            raise ReleaseError("CHANGELOG.md has no heading '## [Unreleased]', and this commit has no tag "
                               f"v{number}: add either")
        return f"{number}, not released: this commit has no tag v{number}"
    if "Unreleased" in names:
        raise ReleaseError(f"CHANGELOG.md has an unreleased entry: name it '## [{number}] - YYYY-MM-DD'")
    dated = [rest for name, rest in headings if name == number]
    if not dated or not re.fullmatch(r" - \d{4}-\d\d-\d\d", dated[0]):
        raise ReleaseError(f"CHANGELOG.md has no heading '## [{number}] - YYYY-MM-DD'")
    return f"the release {number}"


if __name__ == "__main__":
    try:
        print(check(Path(sys.argv[1])))
    except ReleaseError as error:
        sys.exit(f"error: {error}")
