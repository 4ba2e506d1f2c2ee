"""Convolutional networks that decide, for each image, which outputs not to compute.

    model = sluice.Model("model.onnx")
    scores = model(image)

sluice.backend, which needs the package onnx, is ONNX's backend interface.
"""

from ._core import version as __version__
from ._errors import Error
from ._inference_session import InferenceSession
from ._model import Model
from ._tensors import Gate, TensorInfo

__all__ = ["Error", "Gate", "InferenceSession", "Model", "TensorInfo", "__version__"]
