"""What models/index.json says of each network, from its card and from its file's metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from cards import Card, read_card
from errors import ModelsError

INT8 = "int8"
NETWORK = "sluice.network"
GRANULARITIES = {
    "1x1": "per element",
    "1x1-one": "per position",
    "kxk-one": "per position",
    "tile": "per tile",
    "groups": "per channel group",
    "block": "per block",
}
WHOLE_MAP = 0
# Residual blocks by stage, of networks whose depth does not say so.
STAGES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
Entry = dict[str, Any]


def make_index(folder: Path) -> list[Entry]:
    """An entry for every ONNX file under a folder, by name; the int8 twins are in its folder int8."""
    paths = sorted(folder.rglob("*.onnx"))
    if not paths:
        raise ModelsError(f"{folder}: holds no ONNX file; name the folder of the networks")
    entries = [make_entry(folder, path) for path in paths]
    by_file = {entry["file"]: entry for entry in entries}
    for entry in entries:
        _add_float32(entry, by_file, folder)
    for entry in entries:
        _add_dense(entry, entries)
    return entries


def make_entry(folder: Path, path: Path) -> Entry:
    card = read_card(path.with_suffix(".md"))
    described, classes = _metadata(path)
    precision = INT8 if path.parent.name == INT8 else "fp32"
    log = path.with_suffix(".jsonl")
    own, other = ("int8 (Sluice)", "float32 (ONNX Runtime)"), "(ONNX Runtime)"
    accuracy = card.share(f"test accuracy, {own[0]}") if precision == INT8 else None
    entry: Entry = {
        "file": _name(folder, path),
        "card": _name(folder, card.path),
        "log": _name(folder, log) if log.exists() else None,
        "network": described["net"],
        **_facts(card),
        "classes": classes,
        "precision": precision,
        "gates": _gates(described["net"], described["gate"], card.layers),
        "macs_cut": card.share("net MACs cut, int8", "net MACs cut"),
        "accuracy": accuracy if precision == INT8 else card.share(f"test accuracy {other}"),
        "accuracy_float32": card.share(f"test accuracy, {own[1]}"),
        "control_accuracy": card.share("test accuracy of the dense control"),
        "dense": None,
        "dense_accuracy": None,
    }
    if entry["accuracy"] is None:
        raise ModelsError(f"{card.path}: has no accuracy on the test images; run evaluate.py --card")
    return entry


def _metadata(path: Path) -> tuple[dict[str, Any], int]:
    """What the file says of its network, and its number of classes."""
    try:
        model = onnx.load(path, load_external_data=False)
        found = {item.key: item.value for item in model.metadata_props}
        return json.loads(found[NETWORK]), len(json.loads(found["sluice.labels"]))
    except Exception as error:  # of protobuf, JSON or a missing key, which have no common class
        raise ModelsError(f"{path}: lacks the metadata of export.py ({error})") from error


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _data(card: Card) -> str | None:
    """'CIFAR-10' of a row that says more; the twins' cards leave it to their networks'."""
    text = card.text("data")
    found = re.match(r"(CIFAR-\d+|Imagenette)", text or "")
    return found[1] if found else None


def _list(text: str | None) -> list[str]:
    return text.split(", ") if text else []


def _gates(net: str, gate: Mapping[str, Any] | None, layers: tuple[str, ...]) -> Entry | None:
    if gate is None:
        return None
    form = gate["form"]
    return {
        "form": form,
        "granularity": GRANULARITIES.get(form, form),
        "grains": _grains(net, gate, layers),
        "gated": len(layers),
    }


def _grains(net: str, gate: Mapping[str, Any], layers: tuple[str, ...]) -> list[str]:
    """For each stage the side of the outputs that share a gate, `map`, or `none` where it has none."""
    form = gate["form"]
    if form == "block":
        own = {stage: grain for stage, grain in enumerate(gate["grains"])}
    else:
        own = {}
    sizes = stages(net)
    named = {None: "none", WHOLE_MAP: "map"}
    grains = []
    for stage in range(len(sizes)):
        first = sum(sizes[:stage])
        blocks = {f"blocks.{index}" for index in range(first, first + sizes[stage])}
        is_gated = not layers or any(".".join(layer.split(".")[:2]) in blocks for layer in layers)
        grain = gate["grid"] if form == "tile" else 1
        if own:
            grain = own[stage] if len(own) > 1 else own[0]
        grains.append(named.get(grain, str(grain)) if is_gated else "none")
    return grains


def stages(net: str) -> tuple[int, ...]:
    """Residual blocks by stage."""
    if net in STAGES:
        return STAGES[net]
    depth = re.fullmatch(r"(?:pre)?resnet(\d+)", net)
    if not depth or (int(depth[1]) - 2) % 6:
        raise ModelsError(f"network '{net}' has unknown stages; add them to python/models/entries.py")
    return ((int(depth[1]) - 2) // 6,) * 3


def _add_float32(entry: Entry, by_file: Mapping[str, Entry], folder: Path) -> None:
    """What a twin's card leaves to its float32 network's, whose file may be too large to be here."""
    if entry["precision"] != INT8:
        return
    file = Path(entry["file"]).name.replace("_int8.onnx", ".onnx")
    if file in by_file:
        source = by_file[file]
        entry["float32"] = file
    else:
        card = read_card((folder / file).with_suffix(".md"))
        described, _ = _metadata(folder / entry["file"])
        source = _facts(card)
        source["gates"] = _gates(described["net"], described["gate"], card.layers)
        entry["float32"] = None
    for key in ("data", "seed", "macs", "macs_cut_by_live_gates", "closed_blocks"):
        entry[key] = source[key]
    if entry["gates"] is not None:
        entry["gates"] = source["gates"]


def _facts(card: Card) -> Entry:
    """What a float32 network's card says of its twin too."""
    return {
        "data": _data(card),
        "seed": card.count("seed"),
        "macs": card.count("MACs, dense"),
        "macs_cut_by_live_gates": card.share("net MACs cut by live gates"),
        "closed_blocks": _list(card.text("blocks that are never computed")),
    }


def _add_dense(entry: Entry, entries: list[Entry]) -> None:
    """The dense network of the same data and precision, of the same seed where there are several."""
    if entry["gates"] is None:
        return
    alike = [
        other
        for other in entries
        if other["gates"] is None
        and all(other[key] == entry[key] for key in ("network", "data", "precision"))
    ]
    if not alike:
        raise ModelsError(
            f"{entry['file']}: models/ has no dense {entry['network']} on {entry['data']} in "
            f"{entry['precision']} to compare it with; add it"
        )
    alike.sort(key=lambda other: (other["seed"] != entry["seed"], other["file"]))
    entry["dense"], entry["dense_accuracy"] = alike[0]["file"], alike[0]["accuracy"]
