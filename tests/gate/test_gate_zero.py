"""Zero is the same as gone: judged on weights that show it."""

import copy

import pytest
import torch
from gate.families import as_if_trained, classifier
from torch import nn

from mmdmcp.errors import TraceError
from mmdmcp.registry import MODELS
from mmdmcp.supernet import Supernet
from mmdmcp.supernet.probe_weights import probe_weights


class Block(nn.Module):
    """A residual branch that a new network ends in zero. Inside, a norm
    whose groups are no single one mixes channels."""

    def __init__(self, channels, last):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = last

    def forward(self, x):
        return x + self.last(self.conv2(self.norm(self.conv1(x)).relu()))


class Scale(nn.Module):
    """A layer scale that starts at next to nothing."""

    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), 1e-6))

    def forward(self, x):
        return self.gamma * x


class Net(nn.Module):
    def __init__(self, last, channels=16):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3)
        self.bn = nn.BatchNorm2d(channels)
        self.block = Block(channels, last)
        self.fc = nn.Conv2d(channels, 5, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.fc(self.block(self.bn(self.stem(inputs)).relu()))


def zero_norm():
    norm = nn.BatchNorm2d(16)
    nn.init.zeros_(norm.weight)
    return norm


def zero_conv():
    conv = nn.Conv2d(16, 16, 1)
    nn.init.zeros_(conv.weight)
    return conv


@pytest.mark.parametrize('last', [zero_norm, zero_conv, lambda: Scale(16)])
def test_a_branch_that_starts_at_zero_hides_nothing(last):
    torch.manual_seed(0)
    supernet = Supernet(Net(last()), (3, 16, 16), any_channels=True)
    assert 'block.conv1' not in [unit.name for unit in supernet.units]
    assert 'in which they are zero' in dict(supernet.unprunable)['block.conv1']


def test_a_deep_network_hides_nothing():
    """Behind norms that have seen no data the signal dies out: channels
    shuffled between branches moved the output by a rounding error."""
    torch.manual_seed(0)
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=classifier('ShuffleNetV2', 1024, widen_factor=1.0),
            target='90%',
            input_shape=(3, 64, 64),
        )
    )
    assert len(algorithm.mutator.units) == 18
    as_if_trained(algorithm.architecture)
    gates = algorithm.mutator.gates
    with torch.no_grad():
        gates.copy_(torch.rand(gates.shape) - 0.3)
    algorithm.eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        gated, small = algorithm(x), algorithm.cut().eval()(x)
    assert (gated - small).abs().max() < 1e-5 * gated.abs().max()


def state_of(model):
    tensors = {**model.state_dict(), 'modes': [m.training for m in model.modules()]}
    return copy.deepcopy(tensors)


def assert_same(found, expected):
    for name, value in expected.items():
        same = found[name] == value
        assert torch.as_tensor(same).all(), name


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net(zero_norm()).eval()


def test_inside_nothing_is_dead(net):
    x = torch.randn(1, 3, 16, 16)
    with probe_weights(net, lambda: net(x)):
        assert all(p.abs().max() > 0.01 for p in net.parameters())
        with torch.no_grad():
            branch = net.block(net.bn(net.stem(x)).relu()) - net.bn(net.stem(x)).relu()
        assert branch.std() > 0.1
    with torch.no_grad():
        x = net.bn(net.stem(x)).relu()
        assert torch.equal(net.block(x), x)


def test_one_value_a_channel_is_enough():
    """A norm behind global pooling."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8)).eval()
    x = torch.randn(1, 8, 4, 4)
    with probe_weights(net, lambda: net(x)):
        out = net(x)
    assert torch.isfinite(out).all() and out.std() > 0.1


def test_everything_is_as_it_was_after(net):
    net.block.train()
    before, random = state_of(net), torch.get_rng_state()
    x = torch.ones(1, 3, 16, 16)
    with probe_weights(net, lambda: net(x)):
        changed = [
            name
            for name, value in net.state_dict().items()
            if not torch.equal(value, before[name])
        ]
        assert 'bn.running_var' in changed and 'bn.weight' in changed
    assert_same(state_of(net), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(m._forward_pre_hooks for m in net.modules())


@pytest.mark.parametrize('where', ['pass', 'body'])
def test_everything_is_as_it_was_after_an_error(net, where):
    before = state_of(net)

    def run():
        net(torch.ones(1, 3, 16, 16))
        if where == 'pass':
            raise KeyError

    with pytest.raises(KeyError), probe_weights(net, run):
        raise KeyError
    assert_same(state_of(net), before)
    assert not any(m._forward_pre_hooks for m in net.modules())


def test_building_a_supernet_leaves_the_weights_alone():
    torch.manual_seed(0)
    net = Net(zero_norm())
    before = state_of(net)
    Supernet(net, (3, 16, 16), any_channels=True)
    assert_same(state_of(net), before)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Plain(nn.Module):
    """Layers without shifts, as many channels as make rare events rare."""

    def __init__(self, between, channels=64):
        super().__init__()
        self.a = nn.Conv2d(3, channels, 3)
        self.bn = nn.BatchNorm2d(channels)
        self.between = between
        self.z = nn.Conv2d(channels, 5, 1)

    def forward(self, x):
        return self.z(self.between(self.bn(self.a(x))))


@pytest.mark.parametrize(
    'function',
    [
        lambda x: x * x.amax(1, keepdim=True).sigmoid(),
        lambda x: x * x.relu().max(1, keepdim=True).values,
        lambda x: x * (x + 1).relu().amax((1, 2, 3), keepdim=True),
        lambda x: x * x.softmax(1).square().sum(1, keepdim=True),
        lambda x: x * x.logsumexp(1, keepdim=True),
        lambda x: x.clamp(min=0.01),
        lambda x: torch.where(x.sum(1, keepdim=True) > 0, x + 1, x),
        lambda x: x.sigmoid(),
        lambda x: x.cos() - 0.999,
    ],
)
def test_what_shows_on_few_inputs_only_is_refused_all_the_same(function):
    """Of 64 channels one is always the largest, a closed one hardly ever."""
    torch.manual_seed(0)
    with pytest.raises(TraceError, match='in which they are zero'):
        Supernet(Plain(Call(function)), (3, 16, 16), any_channels=True)
    # Nothing is zeroed where channels are only cut.
    assert [u.name for u in Supernet(Plain(Call(function)), (3, 16, 16)).units] == ['a']


@pytest.mark.parametrize(
    'function',
    [
        lambda x: x * x.sum(1, keepdim=True).sigmoid(),
        lambda x: nn.functional.normalize(x, dim=1),
        lambda x: (x - 1).relu(),
        lambda x: x * (x.mean((2, 3), keepdim=True) + 1).relu(),
        lambda x: (
            nn.functional.hardswish(x)
            * x.flatten(2).softmax(2).unflatten(2, x.shape[2:])
        ),
        lambda x: x.sin() * 1e-4,
    ],
)
def test_what_is_zero_at_zero_keeps_no_unit_whole(function):
    torch.manual_seed(0)
    supernet = Supernet(Plain(Call(function)), (3, 16, 16), any_channels=True)
    assert [unit.name for unit in supernet.units] == ['a']


def test_the_reason_names_the_place():
    largest = Call(lambda x: x * x.amax(1, keepdim=True))
    with pytest.raises(TraceError, match='amax in between reads all'):
        Supernet(Plain(largest), (3, 16, 16), any_channels=True)
    with pytest.raises(TraceError, match='z reads something else'):
        Supernet(Plain(nn.Sigmoid()), (3, 16, 16), any_channels=True)


def test_single_precision_will_do_where_the_model_asks_for_it():
    class Single(Plain):
        def forward(self, x):
            return super().forward(x.float())

    supernet = Supernet(Single(nn.ReLU()), (3, 16, 16), any_channels=True)
    assert [unit.name for unit in supernet.units] == ['a']
    assert all(p.dtype == torch.float32 for p in supernet.model.parameters())
    assert torch.get_default_dtype() == torch.float32


def test_a_group_norm_of_one_value_is_called_that():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.GroupNorm(8, 8), nn.Conv2d(8, 4, 1))
    with pytest.raises(
        TraceError, match='group norm meets a single value.*input_shape'
    ):
        Supernet(net, (3, 3, 3))
