"""The tutorial of docs/gate-your-own.md, run as it stands but for its sizes and its epochs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
import torch
from foreign_nets import ForeignNet
from test_photographs import write_photographs
from torch import nn

from sluice_training.block_gates import gated_blocks
from sluice_training.errors import TrainingError
from sluice_training.onnx_file import read_image_info, run_onnx

TUTORIAL = Path(__file__).resolve().parents[2] / "docs/gate-your-own.md"
SMALLER = {
    "SIZE, DENSITY = 224": "SIZE, DENSITY = 40",
    'f"128,{SIZE}': 'f"24,{SIZE}',
    "epochs=40": "epochs=2",
    "epochs=30": "epochs=2",
    "batch_size=64": "batch_size=10",
    "grains=(4, 4, 2, 1)": "grains=(4, 1)",
    "torch.set_num_threads(2)": "torch.set_num_threads(1)",
}


def blocks() -> list[str]:
    """The tutorial's Python."""
    return re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)


@pytest.fixture
def my_network(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_network")
    module.make_network = ForeignNet
    monkeypatch.setitem(sys.modules, "my_network", module)


def test_the_tutorial_gates_a_network_of_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, my_network: None, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photographs(tmp_path / "photos", train=22)
    code = blocks()[0]
    for old, new in SMALLER.items():
        assert old in code, old
        code = code.replace(old, new)
    torch.manual_seed(1)
    variables: dict[str, object] = {}
    exec(compile(code, "tutorial", "exec"), variables)
    assert len(list(gated_blocks(variables["gated"]))) == 3
    macs = variables["macs"]
    total = sum(layer.conv for layer in macs.layers)
    mean = sum(layer.conv * layer.density for layer in macs.layers) / total
    # So few images have few positions whose gates could be told apart.
    assert mean == pytest.approx(0.5, abs=0.25)
    out = capsys.readouterr().out
    assert "of the MACs cut" in out and "layer2.0: " in out

    images = torch.randn(3, 3, 40, 40)
    for name in ("dense", "gated"):
        path = tmp_path / f"{name}.onnx"
        with torch.no_grad():
            wanted = variables[name].eval()(images).numpy()
        assert np.allclose(run_onnx(path, images.numpy()), wanted, atol=1e-3)
        info = read_image_info(onnx.load(path), path)
        assert (info.labels, info.shorter_side) == (("ant", "bee"), 46)
    kinds = [node.op_type for node in onnx.load(tmp_path / "gated.onnx").graph.node]
    assert kinds.count("Clip") == 3

    # A second start goes on from the checkpoints: nothing is left to train.
    before = (tmp_path / "runs" / "gated" / "checkpoint.pt").stat().st_mtime_ns
    exec(compile(code, "tutorial", "exec"), {})
    assert (tmp_path / "runs" / "gated" / "checkpoint.pt").stat().st_mtime_ns == before
    with pytest.raises(TrainingError, match="belongs to other options"):
        exec(compile(code.replace("peak_lr=0.05", "peak_lr=0.01"), "tutorial", "exec"), {})



class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        convs = [nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(2)]
        self.body = nn.Sequential(
            convs[0], nn.BatchNorm2d(4), nn.ReLU(), convs[1], nn.BatchNorm2d(4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.body(x)).relu()


def test_the_tutorials_other_blocks_are_gated() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Residual(), Residual()).eval()
    imports = "from sluice_training.block_gates import BlockGateSpec, add_block_gates\n"
    exec(compile(imports + blocks()[1], "tutorial", "exec"), {"model": model})
    assert [name for name, _ in gated_blocks(model)] == ["1", "2"]
    for _, block in gated_blocks(model):
        block.gate.set_threshold(-1e6)
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(model(x), model[0](x).relu())
