"""ONNX Runtime, without optimisation, in a process of its own: models may crash it or take long.

As a program it answers pickled (model, [inputs by name, ...]) with a list of outputs, or a line of
text that says why there is none.
"""

from __future__ import annotations

import pickle
import resource
import select
import signal
import struct
import subprocess
import sys

import numpy as np

MOST_BYTES = 6 << 30
MOST_SECONDS = 60
HEADER = struct.Struct("<Q")

Sets = list[dict[str, np.ndarray]]
Outputs = list[list[np.ndarray]]


def write(stream, thing: object) -> None:
    content = pickle.dumps(thing)
    stream.write(HEADER.pack(len(content)) + content)
    stream.flush()


def read(stream) -> object:
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    return pickle.loads(stream.read(HEADER.unpack(header)[0]))


class Oracle:
    """Asks the process, and starts another where it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def ask(self, model: bytes, sets: Sets) -> None:
        """Begins; `answer` waits for what comes of it."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        try:
            write(self._process.stdin, (model, sets))
        except BrokenPipeError:
            self.stop()

    def answer(self) -> Outputs | str:
        """One list of outputs for each set, or why there is none."""
        if self._process is None:
            return "the oracle died"
        ready, _, _ = select.select([self._process.stdout], [], [], MOST_SECONDS)
        try:
            if ready:
                return read(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            pass
        self.stop()
        return "the oracle died" if ready else f"the oracle took over {MOST_SECONDS} s"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def serve() -> None:
    import onnxruntime

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    while True:
        try:
            model, sets = read(sys.stdin.buffer)
        except EOFError:
            return
        try:
            session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
            answer = [session.run(None, inputs) for inputs in sets]
        except Exception as error:  # whatever it throws: there is no oracle for this model
            answer = f"{type(error).__name__}: {error}"
        write(sys.stdout.buffer, answer)


if __name__ == "__main__":
    serve()
