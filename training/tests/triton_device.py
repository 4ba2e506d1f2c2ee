"""Where the tests of Triton's kernels run: on the GPU or, without one, interpreted.

Import it before the kernels: the interpreter is chosen when they are imported.
"""

from __future__ import annotations

import os

import pytest
import torch

ON_CUDA = torch.cuda.is_available()
DEVICE = "cuda" if ON_CUDA else "cpu"
if not ON_CUDA:
    os.environ["TRITON_INTERPRET"] = "1"

pytest.importorskip("triton", reason="Triton is not installed (pip install triton)")

TYPES = [torch.float32, torch.bfloat16] if ON_CUDA else [torch.float32]
