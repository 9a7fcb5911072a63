"""Layers that are left out by name keep their channels, and nothing else does."""

import pytest
import torch
from torch import nn

import mmdmcp
from mmdmcp.errors import ConfigError
from mmdmcp.options import matched
from mmdmcp.supernet import Supernet


def chain():
    """Four convolutions in a row, in two parts; the second adds its input."""

    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.body = nn.ModuleDict(
                dict(
                    conv1=nn.Conv2d(8, 12, 3, padding=1),
                    conv2=nn.Conv2d(12, 8, 3, padding=1),
                    conv10=nn.Conv2d(8, 6, 1),
                )
            )
            self.fc = nn.Linear(6, 10)

        def forward(self, x):
            x = self.stem(x).relu()
            x = x + self.body['conv2'](self.body['conv1'](x).relu())
            return self.fc(self.body['conv10'](x).relu().mean((2, 3)))

    torch.manual_seed(0)
    return Chain()


def units(exclude):
    supernet = Supernet(chain().eval(), (3, 8, 8), exclude=exclude)
    return [unit.name for unit in supernet.units], supernet


@pytest.mark.parametrize(
    'exclude, left',
    [
        (None, ['stem', 'body.conv1', 'body.conv10']),
        # a prefix ends where a name does
        (['body.conv1'], ['stem', 'body.conv10']),
        # what is added to the excluded layer's channels stays, too
        (['body.conv2'], ['body.conv1', 'body.conv10']),
        ([r'.*\.conv1\d'], ['stem', 'body.conv1']),
        ([r'body\.conv[12]'], ['body.conv10']),
        (['stem', 'body.conv1'], ['body.conv10']),
    ],
)
def test_excluded_layers_keep_their_channels(exclude, left):
    names, supernet = units(exclude)
    assert names == left
    for entry, layers in supernet.excluded.items():
        assert layers, entry
        reasons = [r for _, r in supernet.unprunable if repr(entry) in r]
        assert {reason.split()[0] for reason in reasons} <= set(layers) and reasons


@pytest.mark.parametrize(
    'exclude, said',
    [
        (['body.conv3'], r"'body.conv3' matches no layer.* Did you mean 'body.conv2'"),
        (['layer1('], 'it is no regular expression'),
        (['conv[12]'], r"one of a whole name: '\.\*conv\[12\]\.\*' matches 3"),
        (['zzz'], "names such as 'stem'; `mmdmcp inspect` lists them"),
        ('stem', 'give a list of names or regular expressions'),
        ([3], 'give a list'),
        ([''], 'give a list'),
    ],
)
def test_what_matches_nothing_is_an_error(exclude, said):
    with pytest.raises(ConfigError, match=said):
        units(exclude)


def test_all_entries_are_looked_at():
    found = matched('exclude', ['a', r'.*b'], ['a', 'a.b', 'ab', 'c'])
    assert found == {'a': ['a', 'a.b'], r'.*b': ['a.b', 'ab']}


def test_plain_prune_leaves_them_whole():
    small = mmdmcp.prune(chain(), '60%', torch.rand(1, 3, 8, 8), exclude=['body.conv1'])
    assert small.model.body['conv1'].out_channels == 12
    assert 'body.conv1' not in small.subnet.units
