"""What one forward pass shows: positions, and who reads an output."""

import torch
from torch import nn

from mmdmcp.cost import read_geometry


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.normed = nn.Conv2d(3, 4, 3, stride=2)
        self.both = nn.Conv2d(4, 4, 1)
        self.twice = nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 2, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.gn = nn.GroupNorm(1, 4)

    def forward(self, x):
        x = self.bn1(self.normed(x))
        y = self.both(x)
        y = y + self.gn(y)  # a norm, and a sum past it
        z = self.twice(y)
        assert z.dim() == 4 and z.shape[1] == z.size(1)  # reads no values
        return self.last(self.bn2(z) + self.gn(z))


def found():
    net = Net().eval()
    return read_geometry(net, lambda: net(torch.zeros(1, 3, 9, 9)))


def test_normalised_is_what_norms_alone_read():
    """Scaling the norm does not zero a channel that also goes elsewhere;
    asking for a shape is no reading."""
    assert found().normalised == {'normed', 'twice'}


def test_positions():
    assert {k: v for k, v in found().positions.items() if v} == dict.fromkeys(
        ('normed', 'both', 'twice', 'last'), 16
    )
