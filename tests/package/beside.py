"""One process with libsluice.so and the libraries that it could clash with, all symbols of all global.

Usage: beside.py SOURCE_ROOT LIBRARY first|last

Loads Sluice before or after the others, runs a network in it and in ONNX Runtime, and prints who was
there and that the answers agree.
"""

import ctypes
import ctypes.util
import os
import sys
from pathlib import Path

SOURCE, LIBRARY, ORDER = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)  # of what `import` loads


class Tensor(ctypes.Structure):
    """sluice_input and sluice_output."""

    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("rank", ctypes.c_size_t),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("data", ctypes.c_void_p),
                ("bytes", ctypes.c_size_t)]


def tensor(name, array):
    """A view of a float32 array, which must outlive it."""
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    return Tensor(name, 1, array.ndim, shape, array.ctypes.data, array.nbytes)


def load_sluice():
    library = ctypes.CDLL(LIBRARY, os.RTLD_NOW | os.RTLD_GLOBAL)
    library.sluice_last_error.restype = ctypes.c_char_p
    return library


def load_others():
    """Their names; those that are not installed are left out."""
    names = ["onnxruntime", "onnx", "google.protobuf.descriptor_pb2"]
    for name in names:
        __import__(name)
    try:
        __import__("cv2")
        names.append("cv2")
    except ImportError:
        pass
    # Debian's C++ protobuf of its own, which comes with protoc.
    for name in ("protobuf", "protoc"):
        path = ctypes.util.find_library(name)
        if path:
            ctypes.CDLL(path, os.RTLD_NOW | os.RTLD_GLOBAL)
            names.append(path)
    return names


def run(library, path, image, scores):
    """One run of a model, from its file to its scores."""
    model, session = ctypes.c_void_p(), ctypes.c_void_p()

    def check(status):
        if status != 0:
            sys.exit(library.sluice_last_error().decode())

    check(library.sluice_model_load(str(path).encode(), None, ctypes.byref(model)))
    check(library.sluice_session_create(model, None, ctypes.byref(session)))
    check(library.sluice_session_run(session, ctypes.byref(tensor(b"input", image)), ctypes.c_size_t(1),
                                     ctypes.byref(tensor(b"scores", scores)), ctypes.c_size_t(1)))
    library.sluice_session_destroy(session)
    library.sluice_model_destroy(model)


library = load_sluice() if ORDER == "first" else None
others = load_others()
library = library or load_sluice()

import numpy as np  # noqa: E402: after the libraries above, whichever way round those are
import onnx  # noqa: E402

import expected  # noqa: E402

before = expected.scores(SOURCE)
found = np.zeros((1, 10), np.float32)
run(library, SOURCE / expected.MODEL, expected.image(), found)
after = expected.scores(SOURCE)
onnx.load(SOURCE / expected.MODEL)
if not (expected.is_close(found[0], before) and np.array_equal(before, after)):
    sys.exit(f"the answers differ:\n{found[0]}\n{before}\n{after}")
print(f"beside {', '.join(others)}: the answers agree")
