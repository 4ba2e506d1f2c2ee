"""Exported files: scores, structure, metadata."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from make_variants import VARIANTS, randomize
from torch import nn

from sluice_training import onnx_file
from sluice_training.checkpoint import (
    build_model,
    describe_network,
    read_checkpoint,
    restore_model,
)
from sluice_training.errors import TrainingError
from sluice_training.lccl import GateSpec
from sluice_training.onnx_file import (
    ImageInfo,
    add_metadata,
    check_scores,
    metadata,
    read_image_info,
    round_weights,
    run_onnx,
    store_half,
    to_onnx,
    write_onnx,
)


# Dynamo takes five seconds for each, and what a gate is made of goes through it in these.
BY_DYNAMO = ["gate_kxk_one", "gate_tile", "preact", "block_bottleneck"]
BY_TORCHSCRIPT = [*BY_DYNAMO, "gate_groups", "block", "block_tiles", "block_map", "block_preact"]


@pytest.mark.parametrize(
    ("name", "exporter"),
    [(name, "torchscript") for name in BY_TORCHSCRIPT] + [(name, "dynamo") for name in BY_DYNAMO],
)
def test_scores_equal_pytorch_at_other_batch_sizes(name: str, exporter: str) -> None:
    torch.manual_seed(4)
    model = VARIANTS[name]()
    randomize(model)
    proto = to_onnx(model, (3, 32, 32), exporter)
    for batch in (1, 5):
        images = torch.randn(batch, 3, 32, 32)
        with torch.no_grad():
            wanted = model(images).numpy()
        assert np.allclose(run_onnx(proto, images.numpy()), wanted, atol=1e-4)


def test_batch_norms_and_gates_stay_nodes() -> None:
    proto = to_onnx(build_model("resnet20", GateSpec().__dict__, 10), (3, 32, 32))
    kinds = Counter(node.op_type for node in proto.graph.node)
    assert [kinds[k] for k in ("Conv", "BatchNormalization", "Clip", "Mul")] == [37, 37, 18, 18]
    dimension = proto.graph.input[0].type.tensor_type.shape.dim[0]
    assert (proto.opset_import[0].version, dimension.dim_param) == (17, "N")


def test_half_weights_halve_the_file_and_keep_the_rounded_scores() -> None:
    torch.manual_seed(4)
    model = VARIANTS["gate_1x1"]()
    randomize(model)
    whole = to_onnx(model, (3, 32, 32))
    before = {name: value.clone() for name, value in model.named_parameters()}
    round_weights(model)
    proto = to_onnx(model, (3, 32, 32))
    store_half(proto)
    assert check_scores(model, proto, torch.randn(2, 3, 32, 32)) < 1e-4
    assert len(proto.SerializeToString()) < 0.6 * len(whole.SerializeToString())
    for name, value in model.named_parameters():
        apart = (value - before[name]).abs()
        # Half an ulp of 11 bits, or of the smallest subnormal.
        assert bool((apart <= before[name].abs() * 2.0**-11 + 2.0**-25).all())
        assert value.dim() > 1 or bool((apart == 0).all())


def test_an_exported_network_can_be_trained_on(tmp_path: Path) -> None:
    """The exporter stores one of equal tensors: fresh gates' norms are all alike."""
    state = {"net": "resnet20", "gate": GateSpec().__dict__, "classes": ["a", "b"]}
    model = build_model("resnet20", state["gate"], 2)
    nn.init.normal_(model.linear.bias)
    round_weights(model)
    proto = to_onnx(model, (3, 32, 32))
    store_half(proto)
    path = tmp_path / "m.onnx"
    info = ImageInfo(("a", "b"), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 32)
    add_metadata(proto, info.metadata())
    write_onnx(proto, path)
    with pytest.raises(TrainingError, match="lacks sluice.network"):
        read_checkpoint(path)
    add_metadata(proto, describe_network(state))
    write_onnx(proto, path)
    found = read_checkpoint(path)
    assert {key: found[key] for key in state} == state
    assert (found["mean"], found["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    restored = restore_model(found, path).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(restored[name], value), name


def test_a_damaged_exported_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no protobuf")
    with pytest.raises(TrainingError, match="m.onnx: not a readable ONNX file"):
        read_checkpoint(path)


def test_a_changed_weight_is_noticed() -> None:
    torch.manual_seed(4)
    model = VARIANTS["gate_1x1"]()
    randomize(model)
    proto = to_onnx(model, (3, 32, 32))
    model.linear.bias.data += 0.1
    with pytest.raises(TrainingError, match="differ from PyTorch's"):
        check_scores(model, proto, torch.randn(2, 3, 32, 32))


def test_an_image_may_differ_where_it_is_allowed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where rounding carries a position of a mask across its edge."""
    model = nn.Flatten()
    images = torch.ones(4, 10, 1, 1)
    found = torch.ones(4, 10).numpy()
    found[2, 3] = 1.5
    monkeypatch.setattr(onnx_file, "run_onnx", lambda _model, _images: found)
    assert check_scores(model, onnx.ModelProto(), images, may_differ=1) == 0
    with pytest.raises(TrainingError, match="differ from PyTorch's by 0.5"):
        check_scores(model, onnx.ModelProto(), images)


def test_metadata_survives_the_file(tmp_path: Path) -> None:
    info = ImageInfo(("ant", "b\u00e4r"), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 32)
    proto = to_onnx(VARIANTS["gate_1x1_one"](), (3, 32, 32))
    with pytest.raises(TrainingError, match="sluice.labels"):
        read_image_info(proto, tmp_path)
    add_metadata(proto, info.metadata())
    write_onnx(proto, tmp_path / "m.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]
    loaded = onnx.load(tmp_path / "m.onnx")
    assert read_image_info(loaded, tmp_path) == info
    found = metadata(loaded)
    assert json.loads(found["sluice.resize_shorter_side"]) == 32
