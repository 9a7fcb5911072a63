"""Parts of a config: built, or refused with the name of their option."""

import re

import pytest
import torch
from mmengine.registry import WEIGHT_INITIALIZERS, init_default_scope
from torch import nn

from mmdmcp.errors import ConfigError, TraceError
from mmdmcp.registry import MODELS, build, find


class Failing(nn.Module):
    """Raises what it is told to."""

    def __init__(self, error):
        super().__init__()
        raise error


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')


def test_a_good_config_is_built():
    assert build('cfg', dict(type='mmpretrain.ResNet', depth=18)).depth == 18
    assert build('cfg', dict(type='ResNet', depth=18)).depth == 18
    assert build('cfg', dict(type=nn.ReLU)).inplace is False
    xavier = build('init', dict(type='Xavier', layer='Conv2d'), WEIGHT_INITIALIZERS)
    assert xavier.layer == ['Conv2d']


@pytest.mark.parametrize(
    'name', ['', '.', '../../x', 'mmdmcp.', '\0.x', 'a' * 5000 + '.x', 'no.such', 'x']
)
def test_what_is_no_name_finds_nothing(name):
    assert find(MODELS, name) is None
    with pytest.raises(ConfigError, match='^cfg.type=.*nothing of that name'):
        build('cfg', dict(type=name))


@pytest.mark.parametrize(
    'cfg, words',
    [
        (dict(), 'cfg.type=None: give the name'),
        (dict(type=5), 'cfg.type=5: give the name'),
        (dict(type='mmdmcp.DMPC'), "Did you mean 'mmdmcp.DMCP'?"),
        ({'type': 'ResNet', 1: 2}, 'cfg: 1 is no name of an option'),
        (dict(type='ResNet', depth=19), "can't be built .*KeyError.*19"),
        (dict(type='ResNet', dpeth=18), "can't be built .*'dpeth'"),
        (dict(type=Failing, error=RuntimeError()), 'RuntimeError.*--debug'),
        (dict(type='ResNet', _scope_=5), 'nothing of that name'),
    ],
)
def test_what_is_wrong_is_named(cfg, words):
    with pytest.raises(ConfigError, match=words):
        build('cfg', cfg)


def test_errors_of_this_package_pass_through():
    with pytest.raises(TraceError, match=re.escape('as it was')):
        build('cfg', dict(type=Failing, error=TraceError('as it was')))


def test_an_interrupt_is_no_mistake_of_the_config():
    with pytest.raises(KeyboardInterrupt):
        build('cfg', dict(type=Failing, error=KeyboardInterrupt()))
    assert torch.is_grad_enabled()
