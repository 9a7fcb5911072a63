"""What a network may cost, in one measure or in several."""

import pytest
import torch
from torch import nn

import mmdmcp
from mmdmcp.cost import MEASURES, Budget, CostModel, LayerCost, Measure, register
from mmdmcp.errors import TargetError
from mmdmcp.ops import Layout, Segment

FULL = dict(macs=1_000_000, params=5_000)


@pytest.fixture
def model():
    """3 -> a -> b -> 10 by convolutions of 3x3 without bias, at 4 positions."""
    a, b = (Layout([Segment(0, n, i)]) for i, n in enumerate((8, 16)))
    sides = [(Layout.fixed(3), a), (a, b), (b, Layout.fixed(10))]
    layers = [
        LayerCost(f'conv{i}', *both, macs=36, weights=9) for i, both in enumerate(sides)
    ]
    return CostModel(layers, 2)


@pytest.mark.parametrize(
    'target, values',
    [
        ('50%', dict(macs=500_000)),
        ('0.4M', dict(macs=400_000)),
        (300_000, dict(macs=300_000)),
        (dict(flops='50%'), dict(macs=500_000)),
        (dict(macs='50%'), dict(macs=500_000)),
        (dict(params='1K'), dict(params=1_000)),
        (dict(flops='60%', params='50%'), dict(macs=600_000, params=2_500)),
        ('params=50%', dict(params=2_500)),
        ('flops=60% params=1.5K', dict(macs=600_000, params=1_500)),
    ],
)
def test_what_a_target_means(target, values):
    assert Budget.parse(target, FULL).values == values


@pytest.mark.parametrize(
    'target, why',
    [
        (dict(power='5W'), "'power' is no measure; choose from flops, macs, params"),
        (dict(flops='50%', macs='50%'), 'multiply-accumulates twice'),
        ({}, 'is empty'),
        ('=50%', "'' is no measure"),
        ('params = 50%', "'params = 50%' can't be read"),
        ('params=', "target='' can't be read"),
        (dict(params='101%'), 'parameters, above the full'),
    ],
)
def test_what_it_can_not_mean(target, why):
    with pytest.raises(TargetError, match=why):
        Budget.parse(target, FULL)


def test_the_label_of_a_file():
    assert Budget.parse('50%', FULL).label == '50PERCENT'
    assert Budget.parse(dict(params='33.3%'), FULL).label == '33.3PERCENT_PARAMS'
    both = Budget.parse(dict(flops='60%', params='50%'), FULL)
    assert both.label == '60PERCENT_50PERCENT_PARAMS'


def test_the_nearest_limit_decides():
    budget = Budget.parse(dict(flops='60%', params='50%'), FULL)
    assert budget.used(dict(macs=300_000, params=2_600)) == 2_600 / 2_500
    assert budget.used(dict(macs=660_000, params=100)) == pytest.approx(1.1)
    assert budget.gap(dict(macs=540_000, params=100)) == pytest.approx(0.1)


@pytest.mark.parametrize('name', ['macs', 'params'])
def test_a_measure_is_the_closed_form(model, name):
    """Counted by hand; its gradient by finite differences."""
    a, b = 5, 7
    weights = 9 * (3 * a + a * b + b * 10)
    expected = dict(macs=4 * weights, params=weights)[name]
    assert MEASURES[name].exact(model, [a, b]) == expected
    widths = torch.tensor([4.3, 9.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: MEASURES[name].value(model, w), widths)


def test_used_at_many_widths_is_used_at_each(model):
    full = model.exact([8, 16])
    budget = Budget.parse(dict(flops='60%', params='50%'), full)
    widths = torch.tensor([[8, 16], [4, 4], [1, 1]])
    one_by_one = [budget.used(model.exact(row)) for row in widths.tolist()]
    assert budget.used_at(model, widths).tolist() == pytest.approx(one_by_one)


def test_a_measure_of_ones_own(model):
    """Registered, it is a word of targets; its name can't be taken twice."""

    class Channels(Measure):
        name, words, noun, title = 'channels', ('channels',), 'channels', 'channels'

        def value(self, model, widths):
            return widths.double().sum(-1)

    register(Channels())
    try:
        budget = Budget.parse(dict(channels='50%'), dict(channels=400))
        assert budget.values == dict(channels=200)
        assert float(budget.used_at(model, torch.tensor([100, 200]))) == 1.5
        net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        small = mmdmcp.prune(net, dict(channels='50%'), torch.rand(1, 3, 8, 8))
        assert small.subnet.cost['channels'] == small.subnet.target['channels'] == 4
        with pytest.raises(ValueError, match="'channels' already"):
            register(Channels())
    finally:
        MEASURES.pop('channels')
