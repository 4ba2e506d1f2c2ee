"""A network that runs on NumPy arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _core
from ._errors import failure
from ._tensors import Gate, Step, TensorInfo


def _tensor_info(tensor: tuple[str, tuple[int | str, ...], str]) -> TensorInfo:
    name, shape, dtype = tensor
    return TensorInfo(name, shape, np.dtype(dtype))


class Model:
    """An ONNX network, read, planned and packed for one instruction set, and memory to run it.

    One run at a time: a thread that calls a model while another runs it waits. copy() makes models
    for more threads. Runs hold no GIL.

    Args:
        path: The ONNX file, opset 7 to 24.
        target: "avx512_amx", "avx512_vnni", "avx512", "avx2", "sse41" or "neon"; by default
            $SLUICE_TARGET, else the best of this CPU.
        threads: How many share a run's work.
        size: Height and width of images where the file leaves them symbolic.
        int8: False computes a quantised file in float32, without the roundings between its layers.
        winograd: False leaves out Winograd's algorithm, which rounds about ten times as coarsely.
        record_gates: False saves the copy of each gate's values that gates() returns.

    Raises:
        Error: What is wrong, with the file, the node and a remedy.
    """

    def __init__(self, path: str | os.PathLike[str], *, target: str | None = None,
                 threads: int = 1, size: tuple[int, int] | None = None, int8: bool = True,
                 winograd: bool = True, record_gates: bool = True) -> None:
        self._take(_core.Model(os.fspath(path), target or "", threads, size, int8, winograd,
                               record_gates), os.fspath(path))

    def _take(self, core: _core.Model, file: str) -> None:
        self._core = core
        self._file = file
        self._inputs = tuple(map(_tensor_info, core.inputs()))
        self._outputs = tuple(map(_tensor_info, core.outputs()))
        self._input_names = tuple(info.name for info in self._inputs)
        self._output_names = tuple(info.name for info in self._outputs)

    def copy(self, *, threads: int | None = None) -> Model:
        """A model on the same weights with memory of its own, for another thread to run.

        Args:
            threads: How many share its runs' work; by default as many as here.
        """
        made = object.__new__(type(self))
        made._take(_core.Model(self._core, threads or self.threads), self._file)
        return made

    def __copy__(self) -> Model:
        return self.copy()

    def run(self, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The outputs by name, for an array for each input by name.

        Arrays have the shape and element type that `inputs` states; the first extent may be any
        batch where that is a name. They are read where they lie, or copied where they are not
        aligned and dense in row-major order. Outputs are new arrays.

        Raises:
            Error: A name, a shape or an element type is not the model's.
        """
        return dict(zip(self._output_names, self._core.run(self._in_order(feeds))))

    def __call__(self, *arrays: Any) -> Any:
        """The output, or a tuple of them where there are more, for an array for each input in order.

        As run() otherwise.
        """
        results = self._core.run(list(arrays))
        return results[0] if len(results) == 1 else tuple(results)

    def _in_order(self, feeds: Mapping[str, Any]) -> list[Any]:
        # A dict first: to ask an abstract class costs a microsecond after each run.
        if type(feeds) is not dict and not isinstance(feeds, Mapping):
            raise TypeError(f"feeds is a {type(feeds).__name__}, and no mapping of names to arrays")
        try:
            arrays = [feeds[name] for name in self._input_names]
        except KeyError as missing:
            raise failure(f"got no input {missing}", f"pass {self._listed(self._input_names)}",
                          self._file) from None
        if len(feeds) != len(arrays):
            unknown = next(name for name in feeds if name not in self._input_names)
            raise failure(f"has no input {unknown!r}",
                          f"pass {self._listed(self._input_names)} alone", self._file)
        return arrays

    @staticmethod
    def _listed(names: tuple[str, ...]) -> str:
        return ", ".join(map(repr, names))

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Name, shape and element type of each input."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Name, shape and element type of each output."""
        return self._outputs

    @property
    def metadata(self) -> dict[str, str]:
        """ONNX's metadata_props: the exporter's labels and normalisation among them."""
        return self._core.metadata()

    @property
    def target(self) -> str:
        """The instruction set that the kernels were compiled for."""
        return self._core.target

    @property
    def threads(self) -> int:
        """How many share a run's work."""
        return self._core.threads

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image with nothing skipped, without the LCCL branches."""
        return self._core.macs

    @property
    def lccl_macs(self) -> int:
        """Multiply-accumulates per image of the LCCL branches."""
        return self._core.lccl_macs

    @property
    def macs_executed(self) -> int:
        """Multiply-accumulates of the last run, all images and the LCCL branches included.

        Raises:
            Error: Nothing has run yet.
        """
        return self._core.macs_executed

    def gates(self) -> list[Gate]:
        """Each gated layer, and what its gate let through for the last image of the last run.

        Raises:
            Error: Nothing has run yet.
        """
        return [Gate(*gate) for gate in self._core.gates()]

    def explain(self) -> str:
        """The plan, a line per step: kernel, shape, packed bytes, and why a gate was not fused."""
        return self._core.explain()

    def steps(self) -> list[Step]:
        """The plan: the steps in the order of their runs, and which reads the results of which."""
        return [Step(**step) for step in self._core.steps()]

    def __repr__(self) -> str:
        return f"sluice.Model({self._file!r}, target={self.target!r}, threads={self.threads})"
