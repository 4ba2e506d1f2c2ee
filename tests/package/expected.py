"""What the programs of docs/quickstart.md must print: scores of a shipped network, by ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime

MODEL = "models/resnet20_block_d58_cifar10.onnx"


def image() -> np.ndarray:
    """The image that they classify, [1, 3, 32, 32]."""
    return (np.arange(3 * 32 * 32) % 32 / 32).astype(np.float32).reshape(1, 3, 32, 32)


def session(source: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(source / MODEL, options, providers=["CPUExecutionProvider"])


def scores(source: Path) -> np.ndarray:
    """[10], in float32."""
    return session(source).run(None, {"input": image()})[0][0]


def is_close(found: np.ndarray, wanted: np.ndarray) -> bool:
    """To 1e-4 of the largest value, as the kernels are tested; never of an empty or constant answer."""
    if found.shape != wanted.shape or np.ptp(wanted) == 0:
        return False
    return bool(np.max(np.abs(found - wanted)) < 1e-4 * np.max(np.abs(wanted)))
