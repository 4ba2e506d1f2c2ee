"""Deeper networks that start with a shallower one's function."""

from __future__ import annotations

import pytest
import torch

from sluice_training.block_gates import BlockGateSpec, add_block_gates
from sluice_training.deepen import deepen
from sluice_training.errors import TrainingError
from sluice_training.nets import make_net


def test_a_deeper_network_has_the_shallower_ones_scores_and_learns_everywhere() -> None:
    torch.manual_seed(1)
    shallow, deep = make_net("resnet20", 10), make_net("resnet44", 10)
    for name, value in shallow.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(0, 0.3)
    deepen(shallow, deep)
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(deep.eval()(images), shallow.eval()(images))
    deep.train()(images).logsumexp(1).sum().backward()
    new = deep.blocks[5]
    assert new.bn2.weight.grad.abs().min() > 0
    assert torch.equal(new.bn2.weight.data, torch.zeros(16))
    assert deep.blocks[3].bn2.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("shallow", "deep"),
    [("resnet32", "resnet20"), ("resnet20", "resnet20"), ("preresnet20", "preresnet32"), ("resnet18", "resnet34")],
)
def test_only_a_deeper_network_of_the_kind_is_started(shallow: str, deep: str) -> None:
    with pytest.raises(TrainingError, match="--deepen: starts a dense"):
        deepen(make_net(shallow, 10), make_net(deep, 10))


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(TrainingError, match="knows other classes"):
        deepen(make_net("resnet20", 100), make_net("resnet32", 10))
    gated = add_block_gates(make_net("resnet32", 10), BlockGateSpec())
    with pytest.raises(TrainingError, match="--deepen: starts a dense"):
        deepen(make_net("resnet20", 10), gated)
