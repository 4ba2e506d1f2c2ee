"""Runs narrow versions of networks on every target against ONNX Runtime's outputs.

    test_zoo.py CASES NAME [EMULATOR] PATH_OF_RUN_CASES
    test_zoo.py --write CASES [EMULATOR] PATH_OF_RUN_CASES

CASES: the folder that make_cases.py wrote. NAME: one of its folders, a network and an exporter. Each
batch gives the right answer, or is refused with the message that refusals.txt beside this file has
for it. --write writes that file anew.
"""

import json
import pathlib
import re
import subprocess
import sys

REFUSALS = pathlib.Path(__file__).with_name("refusals.txt")
HEADER = """\
# What Sluice refuses of the networks of python/zoo, in narrow versions, and its message. Written by
# test_zoo.py --write. torchscript and dynamo are PyTorch's two exporters; batch N is symbolic.
"""


def shorten(message):
    """Without the list of all operators, which grows with each."""
    return re.sub(r"; use only Dropout, .*", "", message)


def run_cases(command, folder):
    """{case: {target: (result, message)}}"""
    process = subprocess.run([*command, str(folder)], stdout=subprocess.PIPE, timeout=1500)
    lines = [json.loads(line) for line in process.stdout.decode().splitlines()]
    if process.returncode != 0:
        sys.exit(f"run_cases ended with {process.returncode} at {lines[-1] if lines else 'its start'}")
    results = {}
    for started, ended in zip(lines[::2], lines[1::2]):
        by_target = results.setdefault(started["case"], {})
        by_target[started["target"]] = (ended["result"], shorten(ended["message"]))
    return results


def judge(folder, command):
    """The lines of refusals.txt for a folder, and what is wrong."""
    refusals, faults = [], []
    for case, by_target in sorted(run_cases(command, folder).items()):
        for target, (result, message) in by_target.items():
            if result == "wrong":
                faults.append(f"{folder.name} {case} on {target}: {message}")
        outcomes = set(by_target.values())
        if len(outcomes) > 1:
            faults.append(f"{folder.name} {case} differs between targets: {by_target}")
        (result, message), *_ = outcomes
        if result == "refused":
            refusals.append(f"{folder.name} {case}: {message}")
    return refusals, faults


def write_refusals(cases, command):
    lines, faults = [], []
    for folder in sorted(path for path in cases.iterdir() if path.is_dir()):
        refusals, wrong = judge(folder, command)
        lines += refusals
        faults += wrong
    REFUSALS.write_text(HEADER + "".join(line + "\n" for line in lines))
    print(f"{len(lines)} refusals")
    return faults


def check(folder, command):
    refusals, faults = judge(folder, command)
    known = [line for line in REFUSALS.read_text().splitlines() if line.startswith(folder.name + " ")]
    for line in known:
        if line not in refusals:
            faults.append("no longer refused so: " + line)
    for line in refusals:
        if line not in known:
            faults.append("refused, and not in refusals.txt: " + line)
    if known != refusals:
        print(f"Where that is meant: {sys.executable} {__file__} --write {folder.parent} "
              + " ".join(command))
    return faults


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
