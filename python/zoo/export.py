"""ONNX files by both of PyTorch's exporters."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import torch
from torch import nn

from errors import ZooError

# exporter: (torch.onnx.export's `dynamo`, opset)
EXPORTERS = {"torchscript": (False, 17), "dynamo": (True, 18)}
BATCHES = ("1", "N")


def dynamic_batch(dynamo: bool, symbolic: bool) -> dict[str, object]:
    if not symbolic:
        return {}
    if dynamo:
        return {"dynamic_shapes": ({0: torch.export.Dim("N")},)}
    return {"dynamic_axes": {"image": {0: "N"}}}


def write_onnx(model: nn.Module, shape: tuple[int, ...], exporter: str, batch: str, path: Path) -> None:
    dynamo, opset = EXPORTERS[exporter]
    symbolic = batch == "N"
    # torch.export takes a batch of 1 for a constant.
    image = torch.randn(2 if symbolic and dynamo else 1, *shape,
                        generator=torch.Generator().manual_seed(0))
    aside = path.with_name(path.name + ".partial")
    options = {"external_data": False, "verbose": False} if dynamo else {}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (image,), str(aside), dynamo=dynamo, opset_version=opset,
                              input_names=["image"], **options, **dynamic_batch(dynamo, symbolic))
        os.replace(aside, path)
    except Exception as error:  # the exporter's own faults are of any kind
        raise ZooError(f"{path.stem}: the exporter fails: {str(error).splitlines()[0]}") from error
    finally:
        logging.disable(logging.NOTSET)
        aside.unlink(missing_ok=True)
