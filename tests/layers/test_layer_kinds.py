"""Networks of layers of every kind: exact at any width, units as expected."""

import pytest
import torch
from common.exact import assert_exact
from torch import nn

from mmdmcp.supernet import Supernet

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class Scale(nn.Module):
    """One factor per channel, in the shape of a feature map."""

    def __init__(self, shape):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(shape))

    def forward(self, x):
        return x * self.gamma


class Last(nn.Module):
    """Runs a layer with the channels in the last dimension."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.movedim(1, -1)).movedim(-1, 1)


def net(*layers, inputs=8, outputs=None, dims=2):
    """Layers between two that can be pruned and one that can't."""
    outputs = outputs or inputs
    return nn.Sequential(
        CONVS[dims](3, inputs, 3, padding=1),
        *layers,
        CONVS[dims](outputs, 6, 1),
        nn.ReLU(),
        CONVS[dims](6, 2, 1),
    )


def up(i, o, dims=2, **options):
    return TRANSPOSED[dims](i, o, 4, stride=2, padding=1, **options)


#: A network and the channels of its units by their names.
CASES = {
    'transposed 1d': (
        lambda: net(up(8, 10, 1), NORMS[1](10), outputs=10, dims=1),
        {'0': 8, '1': 10, '3': 6},
    ),
    'transposed 2d': (
        lambda: net(up(8, 10), NORMS[2](10), up(10, 9, bias=False), outputs=9),
        {'0': 8, '1': 10, '3': 9, '4': 6},
    ),
    'transposed 3d': (
        lambda: net(up(8, 5, 3), outputs=5, dims=3),
        {'0': 8, '1': 5, '2': 6},
    ),
    'transposed with output padding and dilation': (
        lambda: net(
            nn.ConvTranspose2d(8, 5, 3, 2, output_padding=1, dilation=2), outputs=5
        ),
        {'0': 8, '1': 5, '2': 6},
    ),
    'transposed in groups': (
        lambda: net(up(8, 12, groups=4), outputs=12),
        {'0': 2, '1': 3, '2': 6},
    ),
    'transposed depthwise': (lambda: net(up(8, 8, groups=8)), {'0': 8, '2': 6}),
    'transposed depthwise with a multiplier': (
        lambda: net(up(8, 24, groups=8), NORMS[2](24), outputs=24),
        {'0': 8, '3': 6},
    ),
    'depthwise with a multiplier': (
        lambda: net(nn.Conv2d(8, 16, 3, groups=8), NORMS[2](16), nn.ReLU(), outputs=16),
        {'0': 8, '4': 6},
    ),
    'depthwise with a multiplier twice': (
        lambda: net(
            nn.Conv2d(8, 16, 3, groups=8),
            nn.Conv2d(16, 48, 1, groups=16, bias=False),
            outputs=48,
        ),
        {'0': 8, '3': 6},
    ),
    'depthwise 1d with a multiplier': (
        lambda: net(nn.Conv1d(8, 24, 3, groups=8), outputs=24, dims=1),
        {'0': 8, '2': 6},
    ),
    'instance norm': (lambda: net(nn.InstanceNorm2d(8, affine=True)), {'0': 8, '2': 6}),
    'prelu': (lambda: net(nn.PReLU(8), nn.PReLU()), {'0': 8, '3': 6}),
    'parameter [C]': (lambda: net(Last(Scale(8))), {'0': 8, '2': 6}),
    'parameter [C, 1, 1]': (lambda: net(Scale((8, 1, 1))), {'0': 8, '2': 6}),
    'parameter [1, C, 1, 1]': (lambda: net(Scale((1, 8, 1, 1))), {'0': 8, '2': 6}),
}
#: Whose outputs depend on which channels there are, not on their values.
MIXING = [nn.LayerNorm, *([nn.RMSNorm] if hasattr(nn, 'RMSNorm') else [])]


@pytest.mark.parametrize('any_channels', [False, True], ids=['first', 'any'])
@pytest.mark.parametrize('case', CASES)
def test_the_sliced_network_is_the_rebuilt_one(case, any_channels, tmp_path):
    torch.manual_seed(0)
    build, units = CASES[case]
    model = build()
    shape = (3,) + (6,) * (model[0].weight.dim() - 2)
    supernet = assert_exact(model, shape, tmp_path / 'subnet.yaml', any_channels)
    assert {u.name: u.num_channels for u in supernet.units} == units


@pytest.mark.parametrize('norm', MIXING)
def test_a_norm_over_channels_can_lose_the_last_ones_only(norm, tmp_path):
    model = net(Last(norm(8)))
    supernet = assert_exact(model, (3, 6, 6), tmp_path / 'subnet.yaml')
    assert {u.name for u in supernet.units} == {'0', '2'}
    rows = supernet.subnet([3, 4], 'dmcp').layers
    assert rows['1.layer'].out == 3
    gates = Supernet(net(Last(norm(8))), (3, 6, 6), any_channels=True)
    assert {u.name for u in gates.units} == {'2'}


def test_rows_of_a_depthwise_convolution_with_a_multiplier():
    """Two outputs of every input: kept inputs keep both."""
    build, _ = CASES['depthwise with a multiplier']
    supernet = Supernet(build(), (3, 6, 6), any_channels=True)
    rows = supernet.subnet([(1, 2, 5), 6], 'gate').layers
    row = rows['1']
    assert (row.in_, row.out, row.groups) == (3, 6, 3)
    assert row.in_kept == (1, 2, 5) and row.out_kept == (2, 3, 4, 5, 10, 11)
    assert rows['2'].out == 6 and rows['4'].in_ == 6


def test_a_sum_ties_what_a_multiplier_ties():
    """Both outputs of an input meet channels of another convolution."""

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 4, 1)
            self.twice = nn.Conv2d(4, 8, 1, groups=4)
            self.other = nn.Conv2d(3, 8, 1)
            self.last = nn.Conv2d(8, 2, 1)

        def forward(self, x):
            return self.last(self.twice(self.first(x)) + self.other(x))

    supernet = Supernet(Sum(), (3, 5, 5))
    assert {u.name: u.num_channels for u in supernet.units} == {'first': 4}
    assert supernet.subnet([3], 'dmcp').layers['other'].out == 6


# ---- a convolution over the channel axis -----------------------------


class ECA(nn.Module):
    """Efficient channel attention: a filter slides over the channels.

    Wang et al., ECA-Net, CVPR 2020.
    """

    def __init__(self, padding=1, channels=1):
        super().__init__()
        self.slide = nn.Conv1d(1, channels, 3, padding=padding, bias=False)

    def forward(self, x):
        y = x.mean((2, 3), keepdim=True)
        y = self.slide(y.squeeze(-1).transpose(-1, -2))
        return x * y.transpose(-1, -2).unsqueeze(-1).sigmoid()


def test_channels_that_a_filter_slides_over_can_lose_the_last_ones(tmp_path):
    """Beyond the last channel there is padding, however many there are: the
    rebuilt network does what the narrow one does. Its cost falls, too."""
    model = net(ECA(), nn.BatchNorm2d(8))
    supernet = assert_exact(model, (3, 6, 6), tmp_path / 'subnet.yaml')
    assert {u.name: u.num_channels for u in supernet.units} == {'0': 8, '3': 6}
    assert '1.slide' not in supernet.subnet([3, 3], 'dmcp').layers
    only_first = [supernet.cost.exact([width, 6])['macs'] for width in (7, 8)]
    # Per channel: the first and the last convolution, and three of the slide.
    assert only_first[1] - only_first[0] == 36 * (27 + 6) + 3


def test_a_hole_in_what_a_filter_slides_over_is_no_missing_channel():
    """Neighbours of a dropped channel would meet; those of a zero don't."""
    supernet = Supernet(net(ECA(), nn.BatchNorm2d(8)), (3, 6, 6), any_channels=True)
    assert {u.name for u in supernet.units} == {'3'}
    assert '0' in dict(supernet.unprunable)


def test_a_filter_that_changes_the_number_of_channels_keeps_them_whole():

    class Shrink(ECA):
        def forward(self, x):
            y = self.slide(x.mean((2, 3), keepdim=True).squeeze(-1).mT).mT
            return x[:, :6] * y.unsqueeze(-1).sigmoid()

    supernet = Supernet(net(Shrink(padding=0), outputs=6), (3, 6, 6))
    assert {u.name for u in supernet.units} == {'2'}
