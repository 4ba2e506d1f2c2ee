"""Simulated int8 against scalars, and against what python/quantize makes of the exported network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from foreign_nets import ForeignNet
from make_variants import halve_block_gates
from test_run import NORMALIZER, some_data
from torch import nn

from sluice_training import int8
from sluice_training.block_gates import BlockGateSpec, add_block_gates
from sluice_training.config import RunConfig
from sluice_training.int8 import Int8, Rounding, rounded_weights
from sluice_training.nets import make_net
from sluice_training.onnx_file import to_onnx, write_onnx
from sluice_training.run import Run

CPU = torch.device("cpu")
QUANTISE = Path(__file__).resolve().parents[2] / "python" / "quantize"
# Run apart, because its modules have names that training's have as well.
SCRIPT = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
import numpy as np
from boundaries import find_boundaries
from calibrate import calibrate
from evaluate import Runner
from insert import insert
from prepare import prepare, read
path = Path(sys.argv[2])
graph = prepare(path, read(path))
found = find_boundaries(graph)
values = map(Runner(graph.model, found.calibrated).run, [np.load(sys.argv[3])])
numbers = calibrate(path, found, values, "minmax", 100)
Path(sys.argv[4]).write_bytes(insert(graph, numbers).SerializeToString())
"""


def test_rounding_by_hand() -> None:
    """From -0.5 to 2.05 in 255 steps of 0.01, 0 at 50; what lies outside is clamped, and its
    gradient is 0."""
    rounding = Rounding(CPU)
    rounding.range.copy_(torch.tensor([-0.5, 2.05]))
    x = torch.tensor([-1.0, -0.5, 0.0, 0.004, 0.006, 1.0, 3.0], requires_grad=True)
    y = rounding.rounded(x)
    assert y.tolist() == pytest.approx([-0.5, -0.5, 0.0, 0.0, 0.01, 1.0, 2.05], abs=1e-6)
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_ranges_follow_the_batches_and_hold_zero() -> None:
    rounding = Rounding(CPU)
    rounding.observe(torch.linspace(1, 4, 1000))
    assert rounding.range.tolist() == pytest.approx([0.0, 4.0])
    rounding.observe(torch.linspace(-2, 2, 1000))
    assert rounding.range.tolist() == pytest.approx([-0.2, 3.8])
    outlier = torch.cat([torch.linspace(0, 1, 60000), torch.tensor([1000.0])])
    alone = Rounding(CPU)
    alone.observe(outlier)
    assert alone.range[1] == pytest.approx(1.0, abs=0.01)


def test_weights_are_rounded_per_output() -> None:
    weight = torch.tensor([[127.0, 0.4, -3.6], [0.0127, 0.00004, 0.00006], [0.0, 0.0, 0.0]])
    wanted = [[127.0, 0.0, -4.0], [0.0127, 0.0, 0.0001], [0.0, 0.0, 0.0]]
    assert np.allclose(rounded_weights(weight).numpy(), wanted, atol=1e-7)


def prepared(kind: str) -> nn.Module:
    torch.manual_seed(3)
    model = {
        "dense": lambda: make_net("resnet20", 10),
        "preact": lambda: make_net("preresnet20", 10),
        "blocks": lambda: add_block_gates(make_net("resnet20", 10), BlockGateSpec()),
        "foreign": lambda: ForeignNet(bottleneck=True),
    }[kind]()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.2)
        norm.momentum = None
    model.train()(torch.randn(64, 3, 32, 32))
    halve_block_gates(model.eval())
    return model


def quantised_tensors(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """What each DequantizeLinear of activations gives, and the scores, computed as the file says:
    ONNX Runtime's int8 kernels for AVX2 saturate where weights are large."""
    model = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [
        node.output[0] for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] not in constants
    ]  # fmt: skip
    for name in names:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return dict(zip(["scores", *names], session.run(["scores", *names], {"input": images})))


@torch.no_grad()
def calibrated(model: nn.Module, images: torch.Tensor, patch: pytest.MonkeyPatch) -> Int8:
    """A simulation with the ranges of all values of the network as it is."""
    patch.setattr(int8, "WITHIN", 1.0)
    patch.setattr(int8, "SAMPLE", 2**40)
    patch.setattr(int8, "rounded_weights", lambda weight: weight)
    patch.setattr(Rounding, "rounded", lambda self, x: x)
    simulation = Int8(model)
    simulation.switch(True)
    model.train()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eval()
    model(images)
    model.eval()
    return simulation


@pytest.mark.parametrize("kind", ["dense", "preact", "blocks", "foreign"])
def test_what_is_rounded_is_what_the_quantised_file_rounds(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tensor that the file rounds is one that the simulation rounds, to nearly the same values;
    where a rounding falls otherwise, later layers make more of it. The scores lose as much."""
    model = prepared(kind)
    images = torch.randn(64, 3, 32, 32)
    with monkeypatch.context() as patch:
        simulation = calibrated(model, images, patch)
    found: dict[str, np.ndarray] = {}
    rounded = Rounding.rounded

    def spy(self: Rounding, x: torch.Tensor) -> torch.Tensor:
        y = rounded(self, x)
        found[len(found)] = y.numpy()
        return y

    with torch.no_grad():
        monkeypatch.setattr(Rounding, "rounded", spy)
        simulated = model(images).numpy()
        simulation.switch(False)
        exact = model(images).numpy()
    write_onnx(to_onnx(model, (3, 32, 32)), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", images.numpy())
    line = [sys.executable, "-c", SCRIPT, QUANTISE, tmp_path / "m.onnx", tmp_path / "x.npy"]
    subprocess.run([*map(str, line), str(tmp_path / "q.onnx")], check=True)
    wanted = quantised_tensors(tmp_path / "q.onnx", images.numpy())
    lost = [np.linalg.norm(scores - exact) for scores in (simulated, wanted.pop("scores"))]
    assert lost[0] / lost[1] == pytest.approx(1, abs=0.15)
    apart = {
        name: min(
            np.abs(y.reshape(x.shape) - x).mean() / np.abs(x).mean()
            for y in found.values() if y.size == x.size
        )
        for name, x in wanted.items() if not any(kind in name for kind in ("Pad", "Slice"))
    }  # fmt: skip
    assert len(apart) >= len(simulation.state()) - 2
    # Behind a few gates whose branches lie near 0 no position need be the same.
    nearest = list(apart.values())[:8]
    assert max(nearest) < 0.1 and max(nearest[:2]) < 1e-3


def test_the_last_epochs_of_a_run_are_simulated() -> None:
    config = RunConfig(epochs=3, batch_size=8, precision="fp32", int8=0.34)
    torch.manual_seed(2)
    run = Run(make_net("resnet20", 10), config, some_data(), NORMALIZER)
    on, before = [], {name: value.clone() for name, value in run.model.state_dict().items()}
    for _ in range(3):
        run.train_epoch()
        on.append(run._int8.on)
    assert on == [False, False, True]
    assert all(high > 0 for _, high in run.state()["int8"].values())
    assert set(run.model.state_dict()) == set(before)
