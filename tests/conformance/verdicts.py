"""What run_cases says of a folder of cases, and what follows from it."""

import json
import subprocess
import sys


def run_cases(command, folder):
    """{case: {target: (result, message)}}"""
    process = subprocess.run([*command, str(folder)], stdout=subprocess.PIPE, timeout=1500)
    lines = [json.loads(line) for line in process.stdout.decode().splitlines()]
    if process.returncode != 0:
        sys.exit(f"run_cases ended with {process.returncode} at {lines[-1] if lines else 'its start'}")
    results = {}
    for started, ended in zip(lines[::2], lines[1::2]):
        by_target = results.setdefault(started["case"], {})
        by_target[started["target"]] = (ended["result"], ended["message"])
    return results


def judge(results):
    """{case: message} of what is refused, how many are right, and a line for each that is wrong."""
    refusals, right, faults = {}, 0, []
    for case, by_target in sorted(results.items()):
        for target, (result, message) in by_target.items():
            if result == "wrong":
                faults.append(f"{case} on {target}: {message}")
        outcomes = set(by_target.values())
        result, message = min(outcomes)
        if len(outcomes) > 1:
            faults.append(f"{case} differs between targets: {by_target}")
        elif result == "refused":
            refusals[case] = message
        elif result == "right":
            right += 1
    return refusals, right, faults
