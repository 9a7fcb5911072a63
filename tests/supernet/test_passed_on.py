"""Which norms leave their gate to a later one."""

import pytest
import torch
from torch import nn

from mmdmcp.cost import read_geometry
from mmdmcp.supernet.passed_on import passed_on

X = torch.randn(2, 8, 6, 6)


def depthwise():
    return nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)


class Net(nn.Module):
    """A norm, a depthwise convolution, perhaps another norm."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.norm = nn.BatchNorm2d(8)
        self.conv = depthwise()
        self.after = nn.BatchNorm2d(8)
        self.other = nn.Conv2d(8, 8, 1)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


def found(forward, **layers):
    net = Net(forward, **layers).eval()

    def run():
        return net(X)

    return passed_on(net, run, read_geometry(net, run).normalised)


def test_read_by_a_depthwise_convolution_alone():
    assert found(lambda n, x: n.after(n.conv(n.norm(x)))) == {'norm'}


def test_activations_are_looked_through():
    """In place, of one call, or of several."""
    for act in (nn.ReLU6(inplace=True), nn.Hardswish(), lambda y: y * y.sigmoid()):
        assert found(lambda n, x: n.after(n.conv(act(n.norm(x))))) == {'norm'}


def test_one_after_the_other():
    second = dict(second=depthwise(), last=nn.BatchNorm2d(8))
    assert found(
        lambda n, x: n.last(n.second(n.after(n.conv(n.norm(x))))), **second
    ) == {'norm', 'after'}


def and_a_sum(net, y):
    return y + net.after(net.conv(y))


def and_another_layer(net, y):
    return net.other(y) + net.after(net.conv(y))


def and_the_caller(net, y):
    return y, net.after(net.conv(y))


def and_a_pooling(net, y):
    return net.after(net.conv(y * y.mean((2, 3), keepdim=True)))


@pytest.mark.parametrize(
    'readers', [and_a_sum, and_another_layer, and_the_caller, and_a_pooling]
)
def test_nothing_else_may_read_it(readers):
    assert found(lambda net, x: readers(net, net.norm(x))) == set()


def no_norm(net, y):
    return net.other(y)


def norm_among_others(net, y):
    return net.after(y) + y


@pytest.mark.parametrize('readers', [no_norm, norm_among_others])
def test_the_depthwise_convolution_must_be_normalised(readers):
    assert found(lambda net, x: readers(net, net.conv(net.norm(x)))) == set()


def test_a_grouped_convolution_mixes_channels():
    grouped = nn.Conv2d(8, 8, 3, groups=4)
    assert found(lambda n, x: n.after(n.conv(n.norm(x))), conv=grouped) == set()
