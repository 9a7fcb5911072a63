"""The examples in docstrings do what they say."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    'name',
    [
        'cost.budget',
        'datasets.digits',
        'datasets.hold_out',
        'dmcp.grid',
        'engine.launch',
        'engine.progress',
        'gate.gate',
        'models.resnet_cifar',
        'ops.layout',
        'ranking.select',
        'options',
        'report.progress',
        'report.style',
        'report.tables',
        'subnet.ranges',
        'ticker',
    ],
)
def test_examples_give_what_they_show(name):
    module = importlib.import_module(f'mmdmcp.{name}')
    # As a reader would type them: no import is relative.
    names = dict(vars(module), __package__='', __name__='__main__')
    failed, tried = doctest.testmod(module, globs=names)
    assert tried and not failed
