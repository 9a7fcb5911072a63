"""The network with closed gates is the small network, in every family."""

import pytest
import torch
from gate.families import FAMILIES, SHAPE, as_if_trained
from torch import nn

from mmdmcp.registry import MODELS


def with_random_gates(family, seed=1):
    torch.manual_seed(0)
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=FAMILIES[family],
            target='90%',
            input_shape=SHAPE,
        )
    )
    as_if_trained(algorithm.architecture)
    gates = algorithm.mutator.gates
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        gates.copy_(torch.rand(gates.shape, generator=generator) - 0.3)
    return algorithm.eval()


@pytest.mark.parametrize('family', FAMILIES)
def test_gated_equals_small(family):
    """In float32 to 1e-5 of the outputs' size; in float64 the rounding
    errors vanish, so the two are the same function."""
    algorithm = with_random_gates(family)
    small = algorithm.cut().eval()
    cost = algorithm.cost()
    assert sum(p.numel() for p in small.parameters()) == cost['params']
    x = torch.randn(2, *SHAPE)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        with torch.no_grad():
            gated = algorithm.to(dtype)(x.to(dtype))
            full = algorithm.architecture(x.to(dtype))
            cut = small.to(dtype)(x.to(dtype))
        size = max(1.0, full.abs().max().item())
        assert (gated - cut).abs().max() < tolerance * size
        assert (gated - full).abs().max() > 0.01 * size


def test_gated_equals_small_while_training():
    """Once the gates are frozen: batch statistics of a channel are its own,
    closed neighbours or not."""
    algorithm = with_random_gates('ResNet').double().train()
    algorithm.mutator.frozen = True
    small = algorithm.cut().train()
    x = torch.randn(4, *SHAPE).double()
    assert torch.allclose(algorithm(x), small(x), atol=1e-12)


@pytest.mark.parametrize('family', ['ResNet', 'MobileNetV2', 'MobileNetV3'])
def test_the_loss_can_open_every_closed_channel(family):
    """Its gate gets a slope of the size of the others', also where the
    channel passes through two norms; nothing but a dead ReLU hides it."""
    algorithm = with_random_gates(family).double().train()
    gates = algorithm.mutator.gates
    torch.manual_seed(0)
    out = algorithm(torch.randn(8, *SHAPE).double())[-1]
    (out * torch.randn(out.shape)).sum().backward()
    for unit, row, grad in zip(algorithm.mutator.units, gates, gates.grad):
        row, grad = row[: unit.num_channels], grad[: unit.num_channels].abs()
        closed, open_ = grad[row <= 0], grad[row > 0]
        if len(closed) and '.se.' not in unit.name:
            assert closed.max() > 1e-2 * open_.mean(), unit.name


class Mean(nn.Module):
    """Subtracts the mean over channels: closed ones would count."""

    def forward(self, x):
        return x - x.mean(1, keepdim=True)


class Shift(nn.Module):
    """Is not zero where its input is."""

    def forward(self, x):
        return (x + 1).relu()


class Net(nn.Module):
    def __init__(self, between):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.bn1 = nn.BatchNorm2d(8)
        self.between = between
        self.conv2 = nn.Conv2d(8, 8, 3)
        self.bn2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 4, 3)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        x = self.between(self.bn1(self.conv1(inputs)))
        return self.conv3(self.bn2(self.conv2(x)).relu())


@pytest.mark.parametrize('between', [Mean(), Shift()])
def test_units_where_zero_is_not_gone_are_kept_whole(between):
    """By name, with the reason; the others get gates."""
    from mmdmcp.supernet import Supernet

    supernet = Supernet(Net(between), (3, 16, 16), any_channels=True)
    assert [unit.name for unit in supernet.units] == ['conv2']
    reasons = dict(supernet.unprunable)
    assert 'in which they are zero' in reasons['conv1']


def test_a_harmless_activation_keeps_no_unit_whole():
    from mmdmcp.supernet import Supernet

    supernet = Supernet(Net(nn.GELU()), (3, 16, 16), any_channels=True)
    assert [unit.name for unit in supernet.units] == ['conv1', 'conv2']


def test_a_prefix_asks_for_less():
    """DMCP cuts and never zeroes: nothing is refused for it."""
    from mmdmcp.supernet import Supernet

    supernet = Supernet(Net(Shift()), (3, 16, 16))
    assert [unit.name for unit in supernet.units] == ['conv1', 'conv2']


def test_one_group_norm_counts_open_channels_only():
    """Against the layer that has only these channels."""
    from mmdmcp.layers.open_norm import open_group_norm

    torch.manual_seed(0)
    norm, small = nn.GroupNorm(1, 6), nn.GroupNorm(1, 4)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    kept, x = [0, 2, 3, 5], torch.randn(3, 6, 5, 5)
    small.weight.data, small.bias.data = norm.weight[kept], norm.bias[kept]
    scale = torch.zeros(6)
    scale[kept] = 1.0
    out = open_group_norm(norm, x, scale)
    assert torch.allclose(out[:, kept], small(x[:, kept]), atol=1e-6)
    assert (out[:, [1, 4]] == 0).all()
