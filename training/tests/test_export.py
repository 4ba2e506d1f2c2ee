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

from sluice_training.checkpoint import build_model
from sluice_training.errors import TrainingError
from sluice_training.lccl import GateSpec
from sluice_training.onnx_file import (
    PictureInfo,
    check_scores,
    read_picture_info,
    run_onnx,
    to_onnx,
    write_onnx,
)


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("name", ["gate_kxk_one", "gate_groups", "gate_tile", "preact"])
def test_scores_equal_pytorch_at_other_batch_sizes(name: str, exporter: str) -> None:
    torch.manual_seed(4)
    model = VARIANTS[name]()
    randomize(model)
    proto = to_onnx(model, (3, 32, 32), exporter)
    for batch in (1, 5):
        pictures = torch.randn(batch, 3, 32, 32)
        with torch.no_grad():
            wanted = model(pictures).numpy()
        assert np.allclose(run_onnx(proto, pictures.numpy()), wanted, atol=1e-4)


def test_batch_norms_and_gates_stay_nodes() -> None:
    proto = to_onnx(build_model("resnet20", GateSpec().__dict__, 10), (3, 32, 32))
    kinds = Counter(node.op_type for node in proto.graph.node)
    assert [kinds[k] for k in ("Conv", "BatchNormalization", "Clip", "Mul")] == [37, 37, 18, 18]
    dimension = proto.graph.input[0].type.tensor_type.shape.dim[0]
    assert (proto.opset_import[0].version, dimension.dim_param) == (17, "N")


def test_a_changed_weight_is_noticed() -> None:
    torch.manual_seed(4)
    model = VARIANTS["gate_1x1"]()
    randomize(model)
    proto = to_onnx(model, (3, 32, 32))
    model.linear.bias.data += 0.1
    with pytest.raises(TrainingError, match="differ from PyTorch's"):
        check_scores(model, proto, torch.randn(2, 3, 32, 32))


def test_metadata_survives_the_file(tmp_path: Path) -> None:
    info = PictureInfo(("ant", "b\u00e4r"), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 32)
    proto = to_onnx(VARIANTS["gate_1x1_one"](), (3, 32, 32))
    with pytest.raises(TrainingError, match="sluice.labels"):
        read_picture_info(proto, tmp_path)
    for key, value in info.metadata().items():
        proto.metadata_props.add(key=key, value=value)
    write_onnx(proto, tmp_path / "m.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]
    loaded = onnx.load(tmp_path / "m.onnx")
    assert read_picture_info(loaded, tmp_path) == info
    found = {entry.key: entry.value for entry in loaded.metadata_props}
    assert json.loads(found["sluice.resize_shorter_side"]) == 32
