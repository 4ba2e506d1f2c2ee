"""The names that a user of ONNX Runtime expects."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._errors import failure
from ._model import Model
from ._tensors import TensorInfo

PROVIDER = "CPUExecutionProvider"


class ModelMeta(NamedTuple):
    """What get_modelmeta() returns."""

    custom_metadata_map: dict[str, str]


class InferenceSession:
    """A Model with the methods of onnxruntime.InferenceSession that concern one CPU.

    Args:
        path_or_bytes: An ONNX file, or its contents.
        sess_options: None; arguments take its place.
        providers: Names, or (name, options) pairs, with "CPUExecutionProvider" among them.
        **arguments: Those of Model.
    """

    def __init__(self, path_or_bytes: str | bytes | os.PathLike[str], sess_options: None = None,
                 providers: Sequence[str | tuple[str, Any]] | None = None,
                 **arguments: Any) -> None:
        if sess_options is not None:
            raise failure("takes no sess_options", "pass threads= and the other arguments of Model")
        names = [name if isinstance(name, str) else name[0] for name in providers or [PROVIDER]]
        if PROVIDER not in names:
            raise failure(f"has no provider {names[0]!r}", f"pass {PROVIDER!r} or none")
        self.model = (_of_bytes(path_or_bytes, arguments) if isinstance(path_or_bytes, bytes)
                      else Model(path_or_bytes, **arguments))

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any],
            run_options: None = None) -> list[np.ndarray]:
        """The outputs of these names, all where there are None, for arrays by their input's name."""
        if run_options is not None:
            raise failure("takes no run_options", "leave them out")
        outputs = self.model.run(input_feed)
        if output_names is None:
            return list(outputs.values())
        for name in output_names:
            if name not in outputs:
                raise failure(f"has no output {name!r}", "ask for " + ", ".join(map(repr, outputs)))
        return [outputs[name] for name in output_names]

    def get_inputs(self) -> list[TensorInfo]:
        """Each input's name, shape and type, the last as "tensor(float)"."""
        return list(self.model.inputs)

    def get_outputs(self) -> list[TensorInfo]:
        """Each output's name, shape and type."""
        return list(self.model.outputs)

    def get_modelmeta(self) -> ModelMeta:
        """The file's metadata_props, as custom_metadata_map."""
        return ModelMeta(self.model.metadata)

    def get_providers(self) -> list[str]:
        """["CPUExecutionProvider"]."""
        return [PROVIDER]


def _of_bytes(contents: bytes, arguments: dict[str, Any]) -> Model:
    """The model of a file's contents. It is written to a folder that goes when it is read."""
    import tempfile  # takes milliseconds, and few need it

    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        path = os.path.join(folder, "model.onnx")
        with open(path, "wb") as file:
            file.write(contents)
        return Model(path, **arguments)
