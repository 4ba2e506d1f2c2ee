"""Checkpoint files: one file with everything a run needs to go on, replaced atomically."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sluice_training.block_gates import BlockGateSpec, add_block_gates, spec_of
from sluice_training.closed_blocks import close_blocks, closed_blocks
from sluice_training.data import ImageSet
from sluice_training.errors import TrainingError
from sluice_training.int8_twin import folded_state, is_folded, is_int8_twin
from sluice_training.lccl import gated_layers
from sluice_training.nets import add_gates, make_net
from sluice_training.onnx_file import (
    input_side,
    metadata,
    read_image_info,
    read_onnx,
    trained_state,
)

# What an exported file says of the network and its gates.
NETWORK = "sluice.network"
CLASSIFIER = "linear"
REQUIRED = ("net", "gate", "model", "classes", "mean", "std")


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write aside and rename, so that a reader sees the old file or the new one."""
    aside = path.with_name(path.name + ".partial")
    torch.save(state, aside)
    os.replace(aside, path)


def replace_text(path: Path, text: str) -> None:
    """Write a text file aside and rename it."""
    aside = path.with_name(path.name + ".partial")
    try:
        aside.write_text(text)
        os.replace(aside, path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror})") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint, or from an ONNX file of export.py what a later run can start from.

    Raises TrainingError where the file is missing, damaged or of another kind.
    """
    if path.suffix == ".onnx":
        return _read_exported(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: no such checkpoint") from error
    except Exception as error:  # the unpickler lets any error of damaged bytes through
        raise TrainingError(f"{path}: not a readable checkpoint; train again") from error
    missing = [key for key in REQUIRED if not isinstance(state, dict) or key not in state]
    if missing:
        raise TrainingError(f"{path}: lacks {', '.join(missing)}; not a checkpoint of train.py")
    return state


def _read_exported(path: Path) -> dict[str, Any]:
    proto = read_onnx(path)
    info = read_image_info(proto, path)
    described = metadata(proto).get(NETWORK)
    if described is None:
        raise TrainingError(f"{path}: lacks {NETWORK}; export it again from its checkpoint")
    fixed = {
        "classes": list(info.labels),
        "mean": list(info.mean),
        "std": list(info.std),
        "size": input_side(proto, path),
        "shorter_side": info.shorter_side,
    }
    model = folded_state(proto) if is_int8_twin(proto) else trained_state(proto)
    return json.loads(described) | fixed | {"model": model}


def at_input_size(data: ImageSet, state: dict[str, Any]) -> ImageSet:
    """The images at the size that a checkpoint's network is evaluated at."""
    return data.resized(state["size"]) if "size" in state else data


def describe_network(state: dict[str, Any]) -> dict[str, str]:
    """Metadata by which an exported file can be trained on."""
    return {NETWORK: json.dumps({"net": state["net"], "gate": state["gate"]})}


def build_model(net: str, gate: dict[str, Any] | None, classes: int) -> nn.Module:
    """The network a checkpoint describes, with fresh weights."""
    model = make_net(net, classes)
    if gate is None:
        return model
    spec = spec_of(gate)
    if isinstance(spec, BlockGateSpec):
        return close_blocks(add_block_gates(model, spec), spec.closed)
    return add_gates(model, spec)


def restore_model(state: dict[str, Any], path: Path) -> nn.Module:
    """The trained network of a checkpoint, in evaluation mode."""
    model = build_model(state["net"], state["gate"], len(state["classes"]))
    try:
        missing, unknown = model.load_state_dict(state["model"], strict=False)
    except RuntimeError as error:
        raise TrainingError(f"{path}: its weights do not fit {state['net']}") from error
    # Exported files lack the counters, which nothing in evaluation mode reads.
    if unknown or any(not name.endswith("num_batches_tracked") for name in missing):
        raise TrainingError(f"{path}: its weights do not fit {state['net']}")
    return model.eval()


def warm_start(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    """Load a dense or gated network's weights into a gated one; gates it lacks keep theirs.

    Where the two know different numbers of classes, the classifier stays as it is, and stderr says so.

    Raises TrainingError where weights have no place, or blocks that the one lacks are in the other.
    """
    if is_folded(state["model"]):
        raise TrainingError(
            f"{path}: an int8 twin lacks its batch norms' statistics; measure them first, as train.py does"
        )
    lacking = set((state.get("gate") or {}).get("closed", ()))
    if not lacking <= {name for name, _ in closed_blocks(model)}:
        raise TrainingError(
            f"{path}: lacks {', '.join(sorted(lacking))}; start from the checkpoint before drop_closed.py"
        )
    moved: dict[str, str] = {}
    for name, layer in gated_layers(model):
        moved[name] = f"{name}.conv"
        if layer.norm_name is not None:
            moved[f"{name.rpartition('.')[0]}.{layer.norm_name}".lstrip(".")] = f"{name}.norm"
    gated = model.state_dict()
    for name, value in state["model"].items():
        parent, _, leaf = name.rpartition(".")
        target = name if name in gated else f"{moved.get(parent, parent)}.{leaf}"
        if parent == CLASSIFIER and target in gated and len(gated[target]) != len(value):
            print(f"{path}: knows {len(value)} classes; '{name}' starts anew", file=sys.stderr)
            continue
        if target not in gated or gated[target].shape != value.shape:
            raise TrainingError(f"{path}: its '{name}' has no place in the network to be trained")
        gated[target] = value
    model.load_state_dict(gated)
