"""Wrong configs: a clear error before hours are spent."""

import pytest
import torch
from common.small_net import batch, plain_optimisers

from mmdmcp.errors import ConfigError, TargetError, TraceError


@pytest.mark.parametrize(
    'options,error,words',
    [
        (dict(target='200%'), TargetError, 'above the full network'),
        (dict(target='0.1%'), TargetError, 'one channel left in each of the'),
        (dict(target=dict(params='0.1%')), TargetError, 'of 20 parameters'),
        (dict(target='half'), TargetError, '50%'),
        (dict(target=dict(params='50M')), TargetError, 'parameters, above'),
        (dict(traget='50%'), ConfigError, "Did you mean 'target'"),
        (
            dict(target=dict(power='5W')),
            TargetError,
            "'power' is no .* flops, macs, params",
        ),
        (dict(target=dict(flops='50%', macs='40%')), TargetError, 'accumulates twice'),
        (dict(target={}), TargetError, 'is empty'),
        (dict(budget_weight=0), ConfigError, 'budget_weight'),
        (dict(tolerance=0), ConfigError, 'tolerance'),
        (dict(target=None), TargetError, "can't be read"),
        (dict(architecture='resnet50'), ConfigError, "architecture='resnet50'"),
        (dict(architecture=dict(depth=50)), ConfigError, 'dict with its type'),
        (dict(mutator='sigmoid'), ConfigError, "mutator='sigmoid': give"),
        (dict(input_shape=224), ConfigError, 'input_shape=224: give channels'),
        (dict(input_shape=(1, 8, '8')), ConfigError, "input_shape: size='8'"),
        (dict(budget_weight='abc'), ConfigError, "budget_weight='abc': give"),
        (dict(tolerance='1%'), ConfigError, "tolerance='1%': give"),
        (dict(cost='params'), ConfigError, "target=dict.params='50%'"),
        (dict(mutator=dict(magnification='M')), ConfigError, "magnification='M'"),
        (dict(ramp=1.2), ConfigError, 'ramp'),
        (dict(freeze=-1), ConfigError, 'freeze'),
        (dict(mutator=dict(shap='constant')), ConfigError, "Did you mean 'shape'"),
        (dict(mutator=dict(shape='cosine')), ConfigError, 'triangle'),
        (dict(mutator=dict(magnification=1e9)), ConfigError, '1000000'),
        (dict(mutator=dict(init='zero')), ConfigError, 'importance'),
        (dict(mutator=dict(init=-1)), ConfigError, 'init .*=-1: give a number above 0'),
        (dict(mutator=dict(scope=['neck'])), TraceError, 'scope'),
        (
            dict(mutator=dict(type='mmdmcp.DMCPChannelMutator')),
            ConfigError,
            'leave its type out, or give mmdmcp.GateChannelMutator',
        ),
        (
            dict(mutator=dict(scope='backbone')),
            ConfigError,
            "scope='backbone': give a list",
        ),
        (
            dict(mutator=dict(scope=['backbone', 'hed'])),
            ConfigError,
            "no module 'hed'. Did you mean 'head'",
        ),
    ],
)
def test_options(build, options, error, words):
    with pytest.raises(error, match=words):
        build(**options)


@pytest.mark.parametrize(
    'options,words',
    [
        (dict(freeze=1.0), 'weights alone'),
        (dict(freeze=0), 'must train before'),
        (dict(ramp=0.9, freeze=0.6), 'never be reached'),
    ],
)
def test_schedule_that_does_not_fit(build, options, words):
    with pytest.raises(ConfigError, match=words):
        build(**options).schedule.require_order()


def test_length_is_needed(build):
    algorithm = build(length=0)
    with pytest.raises(ConfigError, match='mmdmcp.GateHook'):
        algorithm.train_step(batch(), plain_optimisers(algorithm))


@pytest.mark.parametrize(
    'how,words',
    [
        ('widest', "'open'"),
        ({'backbone.conv9': 3}, 'backbone.conv1'),
        ({'backbone.conv1': 0}, '1 to 8'),
        ({'backbone.conv1': 9}, '1 to 8'),
        ({'backbone.conv1': (0, 8)}, 'below'),
        ({'backbone.conv1': ()}, '1 to 8'),
        ({'backbone.conv1': 2.5}, '2.5 channels'),
        ({'backbone.conv1': 'all'}, "'all' channels"),
    ],
)
def test_channels_that_do_not_exist(build, how, words):
    with pytest.raises(ConfigError, match=words):
        build().set_widths(how)


def test_nothing_is_left_changed_by_an_error_in_the_model(build):
    """The gates are off again: the next one sees the plain network."""
    algorithm = build().eval()
    algorithm.mutator.gates.data[0, :4] = -1.0
    x = torch.randn(2, 1, 8, 8)
    full = algorithm.architecture(x)
    with pytest.raises(RuntimeError):
        algorithm(torch.randn(2, 3, 8, 8))
    assert torch.equal(algorithm.architecture(x), full)
