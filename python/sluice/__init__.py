"""Convolutional networks that decide, for each image, which outputs not to compute.

    model = sluice.Model("model.onnx")
    scores = model(image)

sluice.ImageClassifier classifies images of any size; sluice.ray does so on a cluster.
sluice.backend, which needs the package onnx, is ONNX's backend interface.
"""

from ._core import version as __version__
from ._classifier import Classification, ImageClassifier
from ._errors import Error
from ._inference_session import InferenceSession
from ._model import Model
from ._tensors import Gate, Step, TensorInfo

__all__ = ["Classification", "Error", "Gate", "ImageClassifier", "InferenceSession", "Model", "Step",
           "TensorInfo", "__version__"]
