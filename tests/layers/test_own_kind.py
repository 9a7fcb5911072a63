"""A layer that nobody knows is pruned once its user has described it."""

import pytest
import torch
from common.exact import assert_exact
from common.small_net import batch, optimisers
from torch import nn

from mmdmcp import ConfigError, SubnetError
from mmdmcp.layers import Convolution, LayerKind, kind_of
from mmdmcp.registry import MODELS
from mmdmcp.subnet import LayerWidth, Subnet, apply
from mmdmcp.subnet.layers import shrink
from mmdmcp.supernet import Supernet


class Mixer(nn.Module):
    """A matrix between channels, stored the other way round, with a shift
    of its inputs and a gain of its outputs."""

    def __init__(self, width_in, width_out):
        super().__init__()
        self.width_in, self.width_out = width_in, width_out
        self.matrix = nn.Parameter(torch.randn(width_in, width_out) / width_in)
        self.shift = nn.Parameter(torch.randn(width_in))
        self.gain = nn.Parameter(torch.rand(width_out) + 0.5)

    def forward(self, x):
        y = (x.movedim(1, -1) + self.shift) @ self.matrix * self.gain
        return y.movedim(-1, 1)


class Centre(nn.Module):
    """Adds what it keeps in a buffer."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.register_buffer('centre', torch.randn(width))

    def forward(self, x):
        assert x.size(1) == self.width
        return x + self.centre[:, None, None]


class MixerKind(LayerKind):
    types = (Mixer,)
    noun = 'a mixer'
    tensors = {'matrix': ('in', 'out'), 'shift': ('in',), 'gain': ('out',)}
    sizes = {'width_in': 'in', 'width_out': 'out'}
    makes_channels = True


class CentreKind(LayerKind):
    types = (Centre,)
    tensors = {'centre': ('out',)}
    sizes = {'width': 'out'}


@MODELS.register_module(force=True)
class MixerNet(nn.Sequential):
    """A backbone of such layers."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            Mixer(12, 10),
            Centre(10),
            nn.ReLU(),
            Mixer(10, 8),
            nn.BatchNorm2d(8),
        )

    def forward(self, x):
        return (super().forward(x),)


class Whole(nn.Module):
    """The backbone and a classifier."""

    def __init__(self):
        super().__init__()
        self.backbone = MixerNet()
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.backbone(x)[0].mean((2, 3)))


@pytest.mark.parametrize('any_channels', [False, True])
def test_it_is_cut_counted_and_rebuilt_exactly(any_channels, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / 'subnet.yaml'
    supernet = assert_exact(Whole(), (1, 8, 8), path, any_channels)
    names = {u.name: u.num_channels for u in supernet.units}
    # Zero plus a number is not zero: gates leave what passes a sum whole.
    whole = {'backbone.0': 12, 'backbone.3': 10} if not any_channels else {}
    assert names == {**whole, 'backbone.6': 8}


def test_scales_multiply_its_outputs():
    """By hand: the outputs of the norms and of the mixer in between."""
    torch.manual_seed(0)
    model, x = Whole().eval(), torch.randn(2, 1, 8, 8)
    supernet = Supernet(model, (1, 8, 8))
    scales = [torch.rand(c) + 0.5 for c in supernet.full]
    supernet.scale(scales)
    scaled = model(x)
    supernet.scale(None)
    a, b, c = (s[:, None, None] for s in scales)
    net = model.backbone
    y = net[4](net[3](net[2](net[1](net[0](x)) * a)) * b)
    y = net[7](net[6](net[5](y))) * c
    torch.testing.assert_close(scaled, model.head(y.mean((2, 3))))


def test_it_is_searched_and_the_file_rebuilds_it(tmp_path):
    torch.manual_seed(0)
    config = dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmdmcp.MixerNet'),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=8),
    )
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=config,
            target='60%',
            input_shape=(1, 8, 8),
            arch_start=0,
        )
    )
    algorithm.schedule.set_length(4)
    wrapper = optimisers(algorithm)
    before = algorithm.mutator.alpha.detach().clone()
    for seed in range(4):
        algorithm.train_step(batch(seed=seed), wrapper)
    moved = (algorithm.mutator.alpha != before).any(1)
    assert moved.all() and len(moved) == 3
    algorithm.set_widths('expected')
    algorithm.export_subnet().save(tmp_path / 'subnet.yaml')
    subnet = Subnet.load(tmp_path / 'subnet.yaml')
    small = apply(MODELS.build(config), subnet)
    assert isinstance(small.backbone[3], Mixer)
    row, mixer = subnet.layers['backbone.3'], small.backbone[3]
    assert mixer.matrix.shape == (row.in_, row.out)
    assert (mixer.width_in, mixer.width_out) == (row.in_, row.out)
    assert small(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_its_rows_are_checked_as_those_of_other_layers():
    with pytest.raises(SubnetError, match='in: 5 channels up to index 4 .* has 3'):
        shrink(Mixer(3, 4), LayerWidth(in_=5))
    with pytest.raises(SubnetError, match='is a mixer, which has no groups'):
        shrink(Mixer(4, 4), LayerWidth(in_=2, out=2, groups=2))


def test_the_kind_that_was_defined_last_is_asked_first():

    class Special(nn.Conv2d):
        pass

    assert type(kind_of(Special(2, 2, 1))) is Convolution

    class SpecialKind(Convolution):
        types = (Special,)

        def takes(self, module):
            return module.in_channels > 2

    assert type(kind_of(Special(3, 2, 1))) is SpecialKind
    assert type(kind_of(Special(2, 2, 1))) is Convolution
    assert type(kind_of(nn.Conv2d(3, 2, 1))) is Convolution
    assert kind_of(nn.ReLU()) is None and kind_of(None) is None


@pytest.mark.parametrize(
    'declared, message',
    [
        (dict(tensors={'weight': ('rows',)}), r"tensors: .* 'rows'; it can be 'in'"),
        (dict(sizes={'width': 'size'}), r"sizes: .* counts 'size'"),
        (dict(sizes={'width': 'in'}), "sizes: no attribute counts 'out'"),
    ],
)
def test_a_kind_that_says_what_is_not_understood_is_refused(declared, message):
    class Unknown(nn.Module):
        pass

    with pytest.raises(ConfigError, match=f'Wrong.{message}'):
        type('Wrong', (LayerKind,), dict(types=(Unknown,), **declared))
    assert kind_of(Unknown()) is None
