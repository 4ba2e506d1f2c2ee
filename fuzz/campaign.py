"""What `make fuzz` runs: the mutator beside libFuzzer's harnesses, for so many minutes.

Inputs that libFuzzer finds useful stay in --corpus, so that a second run goes on where one stopped.
Ends with a summary, and with 1 where there is any finding.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
# Sanitizers take up to thirty times as long, and others may want the cores: what is over this is
# measured again without them, where a user waits for five seconds at most.
SECONDS_PER_INPUT = 60
CPU_SECONDS_FOR_A_USER = 5
MOST_MEGABYTES = 4096
SEEDS = 300
# Harness, kind of its corpus, share of the time: a model has far more to go wrong.
HARNESSES = (("fuzz_model", "models", 0.6), ("fuzz_image", "images", 0.4))
MOST_FINDINGS = 20
STATUS = re.compile(r"^#(\d+)\s+\w+.*cov: (\d+).*corp: (\d+)")
SECONDS_PER_REPORT = 30


@dataclass
class Lane:
    """What came of one harness."""

    name: str
    inputs: int = 0
    findings: int = 0


def say(text: str) -> None:
    print(f"fuzz: {text}", flush=True)


def run_libfuzzer(options: argparse.Namespace, harness: str, kind: str, seconds: float) -> Lane:
    """Runs a harness until the time is over, again after each finding."""
    lane = Lane(harness)
    corpus, end = options.corpus / kind, time.monotonic() + seconds
    corpus.mkdir(parents=True, exist_ok=True)
    known = sum(1 for _ in corpus.iterdir())
    say(f"{harness}: {known} inputs in {corpus}, for {seconds / 60:.1f} minutes")
    while (left := end - time.monotonic()) > 1 and lane.findings < MOST_FINDINGS:
        command = [
            options.harnesses / harness,
            f"-max_total_time={int(left)}",
            f"-timeout={SECONDS_PER_INPUT}",
            f"-rss_limit_mb={MOST_MEGABYTES}",
            f"-artifact_prefix={options.findings}/{harness}_",
            "-print_final_stats=1",
            corpus,
            *(f for f in [FUZZ / "corpus" / kind] if f.is_dir()),
        ]
        ran, failed = watch(command, harness, lane.inputs)
        lane.inputs += ran
        if not failed:
            break
        lane.findings += not is_slow_under_sanitizers_alone(options, harness)
    return lane


def is_slow_under_sanitizers_alone(options: argparse.Namespace, harness: str) -> bool:
    """Whether the last failure was a time-out, of an input that the release build is done with in
    time. Such inputs are dropped."""
    artifacts = sorted(options.findings.glob(f"{harness}_*"), key=lambda f: f.stat().st_mtime)
    plain = Path(options.runner).parent / harness
    if not artifacts or not artifacts[-1].name.startswith(f"{harness}_timeout-"):
        return False
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([plain, artifacts[-1]], **silent)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime
    if process.returncode != 0 or seconds > CPU_SECONDS_FOR_A_USER:
        return False
    say(f"{harness}: no finding: {seconds:.1f} s of a core without sanitizers")
    artifacts[-1].unlink()
    return True


def watch(command: list, harness: str, before: int) -> tuple[int, int]:
    """Inputs that ran, and 1 where one of them failed; prints what matters of the output."""
    environment = {**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1"}
    process = subprocess.Popen(
        list(map(str, command)),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    inputs, reported, last = 0, time.monotonic(), []
    for line in process.stderr:
        last = [*last[-60:], line.rstrip()]
        if found := STATUS.match(line):
            inputs = int(found[1])
            if time.monotonic() - reported > SECONDS_PER_REPORT:
                reported = time.monotonic()
                kept = f"{found[2]} edges seen, {found[3]} inputs kept"
                say(f"{harness}: {before + inputs} inputs, {kept}")
        elif line.startswith("stat::number_of_executed_units:"):
            inputs = int(line.split()[1])
    if process.wait() == 0:
        return inputs, 0
    say(f"finding: {harness}:")
    telling = [
        text
        for text in last
        if re.search(r"ERROR|SUMMARY|fuzz_|#\d|runtime error|Test unit written", text)
    ]
    print("\n".join("  " + text for text in telling[:30]), flush=True)
    return inputs, 1


def run_mutator(options: argparse.Namespace, minutes: float, lane: Lane) -> None:
    command = [
        sys.executable,
        FUZZ / "mutator" / "mutate.py",
        "--runner",
        options.runner,
        "--minutes",
        str(minutes),
        "--seed",
        str(options.seed),
        "--findings",
        options.findings,
    ]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    ended = False
    for line in process.stdout:
        print(f"mutator: {line}", end="", flush=True)
        if found := re.match(r"mutate: (\d+) inputs, (\d+) findings", line):
            lane.inputs, lane.findings = int(found[1]), int(found[2])
            ended = True
    process.wait()
    # Python's own failures end with 1, as findings do.
    if not ended:
        say(f"the mutator broke off with {process.returncode}")
        lane.findings += 1


def make_seeds(options: argparse.Namespace) -> None:
    """Models of every kind, and the samples, for a corpus that has none."""
    models, images = (options.corpus / kind for kind in ("models", "images"))
    if not models.exists():
        subprocess.run(
            [
                sys.executable,
                FUZZ / "mutator" / "mutate.py",
                "--write-seeds",
                models,
                "--seed",
                "1",
                "--cases",
                str(SEEDS),
            ],
            check=True,
        )
    images.mkdir(parents=True, exist_ok=True)
    for sample in sorted((FUZZ.parent / "apps" / "samples").glob("*.jpg"))[:3]:
        shutil.copy(sample, images)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the mutator; else by the clock"
    )
    parser.add_argument("--runner", default="build/release/fuzz/fuzz_run")
    parser.add_argument("--harnesses", type=Path, default=Path("build/fuzz/fuzz"), metavar="DIR")
    parser.add_argument("--corpus", type=Path, default=Path("build/fuzz-corpus"), metavar="DIR")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz-findings"), metavar="DIR")
    return parser.parse_args()


def main() -> int:
    options = read_options()
    options.findings.mkdir(parents=True, exist_ok=True)
    make_seeds(options)
    say(f"{options.minutes:g} minutes; findings go to {options.findings}")
    mutator = Lane("mutator")
    beside = threading.Thread(target=run_mutator, args=(options, options.minutes, mutator))
    beside.start()
    lanes = [
        run_libfuzzer(options, harness, kind, 60 * options.minutes * share)
        for harness, kind, share in HARNESSES
    ]
    beside.join()
    lanes.append(mutator)
    for lane in lanes:
        say(f"{lane.name}: {lane.inputs} inputs, {lane.findings} findings")
    findings = sum(lane.findings for lane in lanes)
    where = f" in {options.findings}" if findings else ""
    inputs = sum(lane.inputs for lane in lanes)
    say(f"{inputs} inputs in {options.minutes:g} minutes, {findings} findings{where}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
