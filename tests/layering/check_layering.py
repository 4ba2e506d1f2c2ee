"""Check that the sources keep the order of the data flow and stay readable in length.

Usage: check_layering.py SOURCE_ROOT

Prints one line a violation, ``file:line: what``, and exits 1 when there is any:
- a file of runtime/ includes a header of a folder after its own, or of apps/ or tests/;
- a file of runtime/ or apps/ includes Halide.h (what runs must not need the compiler;
  apps/autotune, which compiles candidates in process, is the exception);
- a source file is longer than MAX_LINES.
"""

import re
import sys
from pathlib import Path

# The order of the data flow: a folder may include itself and those before it.
ORDER = ("include", "graph", "onnx", "passes", "kernels", "plan", "session", "c")
PREFIX_OF_FOLDER = {"sluice": "include"}
ABOVE_RUNTIME = ("apps", "tests", "reference", "generators", "schedules")
MAX_LINES = 450
SOURCES = {".cpp", ".h", ".py", ".sh", ".cmake"}
TOP_FOLDERS = (
    "generators", "schedules", "runtime", "package", "apps", "fuzz", "tests", "training", "python",
    "cmake",
)

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def includes(text: str) -> list[tuple[int, str]]:
    """The included paths of a C++ file, each with its line number from 1."""
    matches = ((i, INCLUDE.match(line)) for i, line in enumerate(text.splitlines(), start=1))
    return [(i, match.group(1)) for i, match in matches if match]


def runtime_violation(folder: str, included: str) -> str | None:
    """What is wrong with including `included` in a file of runtime/`folder`, if anything."""
    first = included.split("/")[0]
    target = PREFIX_OF_FOLDER.get(first, first)
    if target in ORDER and ORDER.index(target) > ORDER.index(folder):
        return f"runtime/{folder} comes before runtime/{target} and must not include {included}"
    if "/" in included and target in ABOVE_RUNTIME:
        return f"runtime/ must not include {included}"
    return None


def file_violations(root: Path, path: Path) -> list[str]:
    """All violations of one source file below `root`."""
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(root)
    found = []
    length = len(text.splitlines())
    if length > MAX_LINES:
        found.append(f"{relative}:{length}: longer than {MAX_LINES} lines")
    if path.suffix not in {".cpp", ".h"}:
        return found
    parts = relative.parts
    for line, included in includes(text):
        halide = Path(included).name == "Halide.h"
        if parts[0] == "runtime" or (parts[0] == "apps" and parts[1] != "autotune"):
            if halide:
                found.append(f"{relative}:{line}: {parts[0]}/ must not include {included}")
        if parts[0] == "runtime" and parts[1] in ORDER:
            what = runtime_violation(parts[1], included)
            if what:
                found.append(f"{relative}:{line}: {what}")
        elif parts[0] == "runtime":
            found.append(f"{relative}:{line}: runtime/{parts[1]} has no place in the data flow")
    return found


def source_files(root: Path) -> list[Path]:
    """Every source file of the folders that hold code, sorted."""
    return sorted(
        path
        for folder in TOP_FOLDERS
        for path in (root / folder).rglob("*")
        if path.suffix in SOURCES and path.is_file()
    )


def main() -> int:
    root = Path(sys.argv[1]).resolve()
    files = source_files(root)
    if not any(path.is_relative_to(root / "runtime") for path in files):
        print(f"{root}: no sources of runtime/ here", file=sys.stderr)
        return 2
    found = [line for path in files for line in file_violations(root, path)]
    print("\n".join(found) if found else f"{len(files)} files keep the order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
