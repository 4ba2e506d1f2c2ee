"""Runs narrow versions of networks on every target against ONNX Runtime's outputs.

    test_zoo.py CASES NAME [EMULATOR] PATH_OF_RUN_CASES
    test_zoo.py --write CASES [EMULATOR] PATH_OF_RUN_CASES

CASES: the folder that make_cases.py wrote. NAME: one of its folders, a network and an exporter. Each
batch gives the right answer, or is refused with the message that refusals.txt beside this file has
for it. --write writes that file anew.
"""

import pathlib
import re
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent / "conformance"))

import verdicts

REFUSALS = pathlib.Path(__file__).with_name("refusals.txt")
HEADER = """\
# What Sluice refuses of the networks of python/zoo, in narrow versions, and its message. Written by
# test_zoo.py --write. torchscript and dynamo are PyTorch's two exporters; batch N is symbolic.
"""


def shorten(message):
    """Without the list of all operators, which grows with each."""
    return re.sub(r"; use only Dropout, .*", "", message)


def refusals_and_faults(folder, command):
    """The lines of refusals.txt for a folder, and what is wrong."""
    refusals, _, faults = verdicts.judge(verdicts.run_cases(command, folder))
    lines = [f"{folder.name} {case}: {shorten(message)}" for case, message in refusals.items()]
    return lines, [f"{folder.name} {fault}" for fault in faults]


def changes(known, refusals):
    """A line for each refusal that is new, and for each that is gone or says something else."""
    return ([f"no longer refused so: {line}" for line in known if line not in refusals]
            + [f"refused, and not in {REFUSALS.name}: {line}" for line in refusals if line not in known])


def write_refusals(cases, command):
    lines, faults = [], []
    for folder in sorted(path for path in cases.iterdir() if path.is_dir()):
        refusals, wrong = refusals_and_faults(folder, command)
        lines += refusals
        faults += wrong
    REFUSALS.write_text(HEADER + "".join(line + "\n" for line in lines))
    print(f"{len(lines)} refusals")
    return faults


def check(folder, command):
    refusals, faults = refusals_and_faults(folder, command)
    known = [line for line in REFUSALS.read_text().splitlines() if line.startswith(folder.name + " ")]
    changed = changes(known, refusals)
    if changed:
        print(f"Where that is meant: {sys.executable} {__file__} --write {folder.parent} "
              + " ".join(command))
    return faults + changed


def main(arguments):
    if arguments[0] == "--write":
        faults = write_refusals(pathlib.Path(arguments[1]), arguments[2:])
    else:
        faults = check(pathlib.Path(arguments[0]) / arguments[1], arguments[2:])
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
