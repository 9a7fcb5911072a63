"""Marginals and gates act on every unit's channels once."""

import copy

import pytest
import torch
from torch import nn

from mmdmcp.errors import TraceError
from mmdmcp.supernet import Supernet


class Excitation(nn.Module):
    """Squeeze-and-excitation: its last layer multiplies the feature map."""

    def __init__(self, channels):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, 4, 1)
        self.expand = nn.Conv2d(4, channels, 1)

    def forward(self, x):
        y = self.squeeze(x.mean((2, 3), keepdim=True)).relu()
        return x * self.expand(y).sigmoid()


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        Excitation(12),
        nn.Conv2d(12, 12, 3, padding=1, groups=12),
        nn.Conv2d(12, 8, 1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


def test_each_channel_is_multiplied_once():
    """The reference multiplies outputs of norms, the excitation's squeeze
    and the bias of the depthwise convolution, and nothing else."""
    model = net()
    x = torch.randn(4, 3, 9, 9)
    reference = copy.deepcopy(model)
    supernet = Supernet(model, (3, 9, 9))
    names = [unit.name for unit in supernet.units]
    assert names == ['0', '3.squeeze', '5']
    scales = [torch.rand(c) + 0.5 for c in supernet.full]
    for place, scale in (('1', scales[0]), ('3.squeeze', scales[1]), ('6', scales[2])):
        reference.get_submodule(place).register_forward_hook(
            lambda m, i, out, s=scale: out * s.view(1, -1, 1, 1)
        )
    reference[4].bias.data *= scales[0]
    supernet.scale(scales)
    assert torch.allclose(model(x), reference(x), atol=1e-6)
    supernet.scale(None)
    assert not torch.allclose(model(x), reference(x), atol=1e-3)


def test_norms_that_were_replaced_are_scaled():
    """As a conversion to SyncBN, or back, does after the search is built;
    norms of other kinds stay."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 1),
        nn.GroupNorm(2, 8),
        nn.Conv2d(8, 8, 1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 4, 1),
    ).eval()
    supernet = Supernet(model, (3, 4, 4))
    model[3] = nn.BatchNorm2d(8).eval()
    x = torch.randn(2, 3, 4, 4)
    before = model(x)
    scales = [torch.ones(c) for c in supernet.full]
    scales[1] *= 0.5
    supernet.scale(scales)
    bias = model[4].bias.view(1, -1, 1, 1)
    assert torch.allclose(model(x) - bias, 0.5 * (before - bias), atol=1e-6)


def test_a_copy_runs_nothing_of_the_original():
    """Whatever was hung onto its modules, as activation checkpointing is."""
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)), nn.Conv2d(8, 4, 1)
    ).eval()
    supernet = Supernet(model, (3, 4, 4))
    inner, plain = model[0], model[0].forward
    inner.forward = lambda *args: plain(*args)
    copied = supernet.plain_copy()
    x = torch.randn(2, 3, 4, 4)
    before = copied(x)
    inner[0].weight.data.mul_(2)
    assert torch.equal(copied(x), before)


def test_a_layer_with_a_forward_of_its_own_is_refused():
    model = net()
    Supernet(model, (3, 9, 9))
    with pytest.raises(TraceError, match='0: a forward of its own'):
        Supernet(model, (3, 9, 9))
