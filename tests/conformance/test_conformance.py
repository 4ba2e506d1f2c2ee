"""Runs the test cases of the onnx package that use Sluice's operators and element types alone.

    test_conformance.py [--write] [EMULATOR] PATH_OF_RUN_CASES

Each gives the right answer on every target, or is refused with the message that refusals.txt beside
this file has for it. --write writes that file anew.
"""

import difflib
import pathlib
import subprocess
import sys
import tempfile

import onnx

import onnx_cases
import verdicts

REFUSALS = pathlib.Path(__file__).with_name("refusals.txt")
HEADER = """\
# What Sluice refuses of the onnx package's test cases, and its message. Written by
# test_conformance.py --write. Forms of a case: "given", as it is; "of x", where all inputs but x are
# constants; and "any batch", where x's first extent is symbolic.
"""


def main(arguments):
    writes = arguments[:1] == ["--write"]
    command = arguments[1:] if writes else arguments
    listed = subprocess.run([*command, "--operators"], stdout=subprocess.PIPE, check=True)
    operators = set(listed.stdout.decode().strip().split(", "))
    with tempfile.TemporaryDirectory() as folder:
        counts = onnx_cases.write(pathlib.Path(folder), operators)
        results = verdicts.run_cases(command, folder)
    refusals, right, faults = verdicts.judge(results)
    lines = [f"{right} are right", *(f"{case}: {message}" for case, message in refusals.items())]
    targets = sorted({target for by_target in results.values() for target in by_target})
    print(f"onnx {onnx.__version__}: " + ", ".join(f"{n} cases {k}" for k, n in counts.items()))
    print(f"on {', '.join(targets)}: of {len(results)} forms {lines[0]}, {len(lines) - 1} refused")
    for fault in faults:
        print("WRONG", fault)
    text = HEADER + "\n".join(lines) + "\n"
    if writes:
        REFUSALS.write_text(text)
    elif (known := REFUSALS.read_text()) != text:
        diff = difflib.unified_diff(known.splitlines(), text.splitlines(), "refusals.txt", "now", n=0,
                                    lineterm="")
        print(*diff, sep="\n")
        faults.append("refusals")
        print(f"\nRefusals changed. Where that is meant: {sys.executable} {__file__} --write "
              + " ".join(command))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
