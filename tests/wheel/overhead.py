"""What a call from Python takes beyond the same run in C++, in turns of both.

    chrt -f 50 taskset -c 1 python tests/wheel/overhead.py PROGRAM [MODEL]

PROGRAM is the program sluice, whose `run --repeat` times the run in C++, which records no gates. Prints medians over
turns of the medians over runs, in microseconds: of C++, of model(x) and model.run({...}) with record_gates and
without, and of InferenceSession with them.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import sluice

RUNS, TURNS = 500, 7
DEFAULT = Path(__file__).parents[2] / "models" / "int8" / "resnet20_block_d58_cifar10_int8.onnx"


def in_cpp(program, model, input_file):
    done = subprocess.run([program, "run", "--model", model, "--input", input_file, "--json",
                           "--repeat", str(RUNS)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["times"]["median_ms"] * 1e3


def in_python(call):
    call()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def main():
    program, path = sys.argv[1], str(sys.argv[2] if len(sys.argv) > 2 else DEFAULT)
    model, bare = sluice.Model(path), sluice.Model(path, record_gates=False)
    session = sluice.InferenceSession(path)
    name, extents = model.inputs[0].name, [e if isinstance(e, int) else 1 for e in model.inputs[0].shape]
    x = np.random.default_rng(0).standard_normal(extents).astype(np.float32)
    input_file = Path("/tmp/sluice-overhead.npy")
    np.save(input_file, x)
    ways = {"model(x)": lambda: model(x), "model.run": lambda: model.run({name: x}),
            "model(x), no gates recorded": lambda: bare(x),
            "model.run, no gates recorded": lambda: bare.run({name: x}),
            "InferenceSession.run": lambda: session.run(None, {name: x})}
    times = {"C++": [], **{way: [] for way in ways}}
    for _ in range(TURNS):
        times["C++"].append(in_cpp(program, path, input_file))
        for way, call in ways.items():
            times[way].append(in_python(call))
    input_file.unlink()
    base = statistics.median(times["C++"])
    for way, found in times.items():
        each = statistics.median(found)
        print(f"{way:30} {each:8.1f} us {each - base:+8.1f}")


if __name__ == "__main__":
    main()
