"""Parameters are torch's own count, whatever else the layers hold."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from mmdmcp.errors import TraceError
from mmdmcp.subnet import apply
from mmdmcp.supernet import Supernet
from mmdmcp.supernet.costs import require_exact_params


class ScaledConv(nn.Conv2d):
    """A convolution with a gain of its own, as in NFNets."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.gain = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.gain, self.bias)


def conv(i=8, o=8, kind=nn.Conv2d):
    return kind(i, o, 3, padding=1)


def net(*middle):
    """Layers of 8 channels between some that can be pruned."""
    return nn.Sequential(
        conv(3, 8),
        nn.BatchNorm2d(8),
        *middle,
        conv(8, 9),
        nn.ReLU(),
        conv(9, 8),
        nn.ReLU(),
        nn.Conv2d(8, 3, 1),
    )


def tied():
    """Two convolutions with one weight; the second has a bias as well."""
    first, second = conv(), conv()
    second.weight = first.weight
    return net(first, nn.ReLU(), second)


def params(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    'model, whole',
    [
        (net(), {}),
        (tied(), {'2': '2 and 4 share a parameter', '4': '2 and 4 share a parameter'}),
        (net(nn.LayerNorm((8, 8, 8))), {'0': 'a norm over whole maps knows its size'}),
        (net(parametrizations.weight_norm(conv())), {}),
        (
            net(weight_norm(conv())),
            {'2': '2 has a parameter beside weight and bias: weight_v'},
        ),
        (
            net(spectral_norm(conv())),
            {'2': '2 has a parameter beside weight and bias: weight_orig'},
        ),
        (
            net(conv(kind=ScaledConv)),
            {'2': '2 has a parameter beside weight and bias: gain'},
        ),
        (net(nn.PReLU(8), nn.BatchNorm2d(8, affine=False)), {}),
    ],
)
def test_parameters_are_torchs_count(model, whole):
    supernet = Supernet(model, (3, 8, 8))
    reasons = dict(supernet.unprunable)
    assert {name: reasons[name] for name in whole} == whole
    assert supernet.cost.exact(supernet.full)['params'] == params(model)
    widths = [(c + 1) // 2 for c in supernet.full]
    small = apply(supernet.plain_copy(), supernet.subnet(widths, 'dmcp'))
    assert supernet.cost.exact(widths)['params'] == params(small)
    supernet.select(widths)
    model.eval(), small.eval()
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(model(x), small(x), atol=1e-6)


def test_a_count_that_is_off_is_refused_at_build():
    model = net()
    require_exact_params(model, params(model))
    with pytest.raises(
        TraceError,
        match='Sequential has 1,580 parameters, but its layers add up to 1,570',
    ):
        require_exact_params(model, 1570)
