"""Writing networks as ONNX files of plain operators, and running such files."""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from sluice_training.block_gates import gated_blocks
from sluice_training.errors import TrainingError

EXPORTERS = ("torchscript", "dynamo")
OPSET = {"torchscript": 17, "dynamo": 18}
TOLERANCE = 1e-4


@dataclass(frozen=True)
class ImageInfo:
    """What a program needs to classify images: stored in the file's metadata.

    mean, std: of each RGB channel, in units of pixel/255. shorter_side: images are resized so
    that their shorter side has this many pixels, then cropped at the centre. interpolation: of
    that resize, "bilinear" or "bicubic".
    """

    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shorter_side: int
    interpolation: str = "bilinear"

    def metadata(self) -> dict[str, str]:
        return {
            "sluice.labels": json.dumps(list(self.labels)),
            "sluice.mean": json.dumps(list(self.mean)),
            "sluice.std": json.dumps(list(self.std)),
            "sluice.resize_shorter_side": json.dumps(self.shorter_side),
            "sluice.interpolation": json.dumps(self.interpolation),
        }


def read_onnx(path: Path) -> onnx.ModelProto:
    """Raises TrainingError where the file is missing or damaged."""
    try:
        return onnx.load(path)
    except Exception as error:  # missing, truncated or not protobuf: onnx has no common class
        raise TrainingError(f"{path}: not a readable ONNX file ({error})") from error


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def add_metadata(model: onnx.ModelProto, entries: dict[str, str]) -> None:
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)


def read_image_info(model: onnx.ModelProto, path: Path) -> ImageInfo:
    """The metadata of a model file. Raises TrainingError where it is missing or malformed."""
    found = metadata(model)
    try:
        return ImageInfo(
            tuple(json.loads(found["sluice.labels"])),
            tuple(float(v) for v in json.loads(found["sluice.mean"])),
            tuple(float(v) for v in json.loads(found["sluice.std"])),
            int(json.loads(found["sluice.resize_shorter_side"])),
            str(json.loads(found.get("sluice.interpolation", '"bilinear"'))),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{path}: metadata {error} is missing or malformed; export again"
        ) from error


def input_side(model: onnx.ModelProto, path: Path) -> int:
    """The side in pixels of a network's square input. Raises TrainingError for any other."""
    sides = {d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[2:]}
    if len(sides) != 1 or 0 in sides:
        raise TrainingError(f"{path}: its input is no square image of a fixed size; export again")
    return sides.pop()


def to_onnx(
    model: nn.Module,
    size: tuple[int, int, int],
    exporter: str = "torchscript",
    batch: int | None = None,
) -> onnx.ModelProto:
    """The model in evaluation mode as ONNX: `input` [N, *size] -> `scores` [N, classes].

    batch: a fixed batch size, or None for the symbolic dimension N. `torchscript` keeps every
    batch norm a node of its own, for the runtime to fold; `dynamo` folds those that directly
    follow a convolution, and writes opset 18, the oldest it knows.
    """
    if exporter not in EXPORTERS:
        raise TrainingError(f"exporter '{exporter}': use one of {', '.join(EXPORTERS)}")
    model.eval()
    example = torch.randn(batch or 2, *size)
    convert = _by_torchscript if exporter == "torchscript" else _by_dynamo
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = convert(model, example, batch is None)
    _strip_traces(proto)
    onnx.checker.check_model(proto)
    return proto


def _strip_traces(proto: onnx.ModelProto) -> None:
    """Drop the stack traces that exporters leave: they hold paths of the exporting machine."""
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def _by_torchscript(model: nn.Module, example: torch.Tensor, symbolic: bool) -> onnx.ModelProto:
    buffer = io.BytesIO()
    axes = {"input": {0: "N"}, "scores": {0: "N"}} if symbolic else None
    # PRESERVE with a model in evaluation mode: the exporter would otherwise fold each batch norm
    # into the convolution before it.
    torch.onnx.export(
        model,
        (example,),
        buffer,
        dynamo=False,
        opset_version=OPSET["torchscript"],
        input_names=["input"],
        output_names=["scores"],
        dynamic_axes=axes,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=True,
    )
    return onnx.load_from_string(buffer.getvalue())


def _by_dynamo(model: nn.Module, example: torch.Tensor, symbolic: bool) -> onnx.ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        model,
        (example,),
        dynamo=True,
        opset_version=OPSET["dynamo"],
        input_names=["input"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("N")},) if symbolic else None,
        verbose=False,
    )
    return program.model_proto


def round_weights(model: nn.Module) -> None:
    """Round the matrices and filters to half precision, in place; vectors keep theirs."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.half().float()


def store_half(proto: onnx.ModelProto) -> None:
    """Store matrices and filters as float16, each with a Cast to float32 in front of the graph."""
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name, half = tensor.name, f"{tensor.name}.half"
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, half))
        casts.append(
            onnx.helper.make_node("Cast", [half], [name], f"{name}.cast", to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.checker.check_model(proto)


def trained_state(proto: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The weights by their names in the network that `to_onnx` was given, float32.

    The exporter keeps the names; of equal tensors it stores one and leaves the others an Identity.
    """
    found = {}
    for tensor in proto.graph.initializer:
        values = torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        found[tensor.name.removesuffix(".half")] = values.float()
    for node in proto.graph.node:
        if node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def run_onnx(model: onnx.ModelProto | Path, images: np.ndarray, threads: int = 1) -> np.ndarray:
    """Scores of ONNX Runtime on `images` float32 [N, C, H, W]."""
    return open_session(model, threads).run(["scores"], {"input": images})[0]


def open_session(model: onnx.ModelProto | Path, threads: int = 1) -> Any:
    """An ONNX Runtime session on the CPU. Raises TrainingError where the file cannot be loaded."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no narrower base class
        what = str(error).splitlines()[0]
        raise TrainingError(f"{model if isinstance(model, Path) else 'model'}: {what}") from error


def check_scores(
    model: nn.Module, proto: onnx.ModelProto, images: torch.Tensor, may_differ: int = 0
) -> float:
    """Largest score difference, PyTorch against ONNX Runtime, relative to the largest score.

    may_differ: so many images of the largest difference are left out, because rounding may carry a
    position of a binary mask across its edge. Raises TrainingError where the rest passes TOLERANCE.
    """
    with torch.no_grad():
        wanted = model(images).numpy()
    found = run_onnx(proto, images.contiguous().numpy())
    apart = np.sort(np.abs(wanted - found).max(axis=1))[: len(wanted) - may_differ]
    difference = float(apart.max() / np.abs(wanted).max())
    if not difference <= TOLERANCE:
        raise TrainingError(
            f"ONNX Runtime's scores differ from PyTorch's by {difference:.2g} of the largest; "
            "export with the other --exporter"
        )
    return difference


def export_network(
    model: nn.Module,
    info: ImageInfo,
    side: int,
    path: Path,
    exporter: str = "torchscript",
    further: dict[str, str] | None = None,
    half: bool = False,
) -> float:
    """Write a network for square images of `side` pixels; returns `check_scores`' difference.

    further: more metadata. half: store matrices and filters as float16, to which the model's are
    rounded. Raises TrainingError where ONNX Runtime gives other scores, or the file cannot be
    written.
    """
    if half:
        round_weights(model)
    proto = to_onnx(model, (3, side, side), exporter)
    if half:
        store_half(proto)
    add_metadata(proto, info.metadata() | (further or {}))
    images = torch.randn(8, 3, side, side)
    may_differ = len(images) // 4 if any(gated_blocks(model)) else 0
    difference = check_scores(model, proto, images, may_differ)
    write_onnx(proto, path)
    return difference


def write_onnx(proto: onnx.ModelProto, path: Path, external: bool = False) -> None:
    """Write aside and rename; `external` puts the weights in PATH.data beside the file."""
    aside = path.with_name(path.name + ".partial")
    try:
        if external:
            location = path.name + ".data"
            path.with_name(location).unlink(missing_ok=True)
            onnx.save(
                proto,
                aside,
                save_as_external_data=True,
                all_tensors_to_one_file=True,
                location=location,
                size_threshold=0,
            )
            path.with_name(location).chmod(0o644)
        else:
            onnx.save(proto, aside)
        os.replace(aside, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror})") from error
