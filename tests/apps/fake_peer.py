"""Stands in for apps/benchmark/peer.py: an engine for networks of mean colours that is right, wrong
or broken, as FAKE_PEER says."""

import json
import os
import signal
import sys
import time

import numpy as np

MODE = os.environ["FAKE_PEER"]


def load(request):
    global inputs
    if MODE == "refuses":
        return {"error": "no such operator\nin this engine"}
    if MODE == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    inputs = np.fromfile(request["inputs"], np.float32)
    inputs = inputs.reshape(request["images"], *request["shape"])
    return {"version": "1", "target": "", "load_ms": 1.5}


def check(request):
    scores = inputs.astype(np.float64).mean(axis=(2, 3)).reshape(-1)
    if MODE == "wrong":
        scores[-1] += 0.002 * np.abs(scores).max()
    if MODE == "short":
        scores = scores[:-1]
    answer = [None if MODE == "nan" else float(score) for score in scores]
    return {"scores": answer}


def run(request):
    if MODE == "dies later":
        sys.exit(3)
    time.sleep(0.001 * request["count"])
    return {"nanoseconds": [1000000] * request["count"]}


if MODE == "silent":
    sys.exit(0)
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if MODE == "babbles":
        print("not JSON", flush=True)
    else:
        action = {"load": load, "check": check, "run": run}[message["do"]]
        print(json.dumps(action(message)), flush=True)
