"""Which layers carry a gate, and which leave it to another."""

import pytest
import torch
from torch import nn

from mmdmcp.supernet.gate_sites import find_gate_sites

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

    assert find_gate_sites(net, run).gated_later == set()
    return find_gate_sites(net, run, close_channels=True).gated_later


class Normed(nn.Module):
    """Convolutions that norms read, and not they alone."""

    def __init__(self):
        super().__init__()
        self.normed = nn.Conv2d(3, 4, 3, stride=2)
        self.both = nn.Conv2d(4, 4, 1)
        self.twice = nn.Conv2d(4, 4, 1)
        self.up = nn.ConvTranspose2d(4, 4, 2)
        self.last = nn.Conv2d(4, 2, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.gn, self.up_norm = nn.GroupNorm(1, 4), nn.BatchNorm2d(4)
        self.returned, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.bn1(self.normed(x))
        y = self.both(x)
        y = y + self.gn(y)  # a norm, and a sum past it
        z = self.twice(y)
        assert z.dim() == 4 and z.shape[1] == z.size(1)  # reads no values
        z = self.up_norm(self.up(self.bn2(z) + self.gn(z)))
        r = self.returned(z)
        return self.last(z), self.norm(r), r


def test_normalised_is_what_norms_alone_read():
    """Scaling the norm does not zero a channel that also goes elsewhere;
    asking for a shape is no reading."""
    net = Normed().eval()
    sites = find_gate_sites(net, lambda: net(torch.zeros(1, 3, 9, 9)))
    assert sites.normalised == {'normed', 'twice', 'up'}
    assert 'both' in sites and 'bn1' in sites and 'up' not in sites


def test_what_multiplies_maps_is_a_factor_and_what_meets_as_many_entries_is_not():
    net = nn.ModuleDict({k: nn.Conv2d(8, 8, 1) for k in ('map', 'se', 'gate')})

    def run():
        y = net['map'](X)
        y = y * net['se'](y.mean((2, 3), keepdim=True)).sigmoid()
        return y * net['gate'](y).sigmoid()

    assert find_gate_sites(net, run).factors == {'se'}


def test_read_by_a_depthwise_convolution_alone():
    assert found(lambda n, x: n.after(n.conv(n.norm(x)))) == {'norm'}


def test_activations_are_looked_through():
    """In place, of one call, or of several."""
    for act in (nn.ReLU6(inplace=True), nn.Hardswish(), lambda y: y * y.sigmoid()):
        assert found(lambda n, x: n.after(n.conv(act(n.norm(x))))) == {'norm'}


def test_slopes_are_looked_through():
    found_norms = found(lambda n, x: n.after(n.conv(n.act(n.norm(x)))), act=nn.PReLU(8))
    assert found_norms == {'norm'}


def test_a_depthwise_convolution_may_make_several_outputs_of_a_channel():
    layers = dict(
        conv=nn.Conv2d(8, 16, 3, groups=8), after=nn.BatchNorm2d(16), other=None
    )
    assert found(lambda n, x: n.after(n.conv(n.norm(x))), **layers) == {'norm'}


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
