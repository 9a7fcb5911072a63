"""Networks to beat: all units narrowed alike, and balanced ones."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import mmdmcp
from mmdmcp.cost import Budget
from mmdmcp.errors import TargetError
from mmdmcp.plain.tracing import traced_copy
from mmdmcp.plain.uniform import balanced_subnet, uniform_subnet
from mmdmcp.ranking.normalise import normalise

IMAGE = torch.zeros(1, 3, 8, 8)


def net(*widths):
    """A chain of convolutions; the last one is the output."""
    sizes = [3, *widths, 5]
    layers = [nn.Conv2d(i, o, 3, padding=1) for i, o in itertools.pairwise(sizes)]
    return nn.Sequential(*layers)


def macs(widths):
    """By hand: nine weights for each pair of channels and each of 64 pixels."""
    sizes = [3, *widths, 5]
    return 64 * 9 * sum(i * o for i, o in itertools.pairwise(sizes))


def found(full, target, make=uniform_subnet, **options):
    supernet = traced_copy(net(*full), IMAGE)
    budget = Budget.parse(target, supernet.cost.exact(supernet.full))
    subnet = make(supernet, budget, **options)
    return tuple(unit.channels for unit in subnet.units.values()), subnet


def enumerated(full, target, steps, tolerance):
    """The nearest of all networks, to the largest common ratio whose network,
    rounded, is within the target."""
    ratio = max(
        r
        for r in np.arange(1e-4, 1, 1e-4)
        if macs([max(s[0], round(r * n)) for s, n in zip(steps, full)]) <= target
    )
    return min(
        (
            w
            for w in itertools.product(*steps)
            if abs(macs(w) / target - 1) <= tolerance
        ),
        key=lambda w: math.fsum(
            math.log(width / max(s[0], ratio * n)) ** 2
            for width, s, n in zip(w, steps, full)
        ),
    )


@pytest.mark.parametrize('share', [0.2, 0.35, 0.5, 0.8])
@pytest.mark.parametrize('full', [(8, 12, 16), (16, 7, 10)])
def test_it_is_the_nearest_of_all_networks(full, share):
    target = share * macs(full)
    steps = [range(1, n + 1) for n in full]
    widths, subnet = found(full, f'{100 * share:g}%', tolerance=0.02)
    assert subnet.cost['macs'] == macs(widths) == pytest.approx(target, rel=0.02)
    assert widths == enumerated(full, target, steps, 0.02)


def test_it_keeps_to_the_widths_that_units_may_have():
    full, steps = (16, 16, 32), [range(4, 17, 4), range(4, 17, 4), range(4, 33, 4)]
    widths, _ = found(full, '50%', choices=steps, tolerance=0.1)
    assert widths == enumerated(full, 0.5 * macs(full), steps, 0.1)


def test_parameters_are_a_target_like_any():
    _, subnet = found((32, 32), dict(params='30%'))
    full = sum(p.numel() for p in net(32, 32).parameters())
    assert subnet.cost['params'] == pytest.approx(0.3 * full, rel=0.01)


@pytest.mark.parametrize(
    ('target', 'choices', 'message'),
    [
        ('10%', range(8, 17), r'narrowest network has 3\.33 times that'),
        ('60%', [4, 16], r'nearest network that was found is \d+\.\d% away'),
    ],
)
def test_a_target_that_is_not_met_says_by_how_much(target, choices, message):
    with pytest.raises(TargetError, match=message):
        found((16, 16), target, choices=[choices] * 2)


@pytest.mark.parametrize('share', [0.2, 0.5, 0.8])
@pytest.mark.parametrize('full', [(8, 12, 16), (16, 7, 10)])
def test_of_all_networks_the_balanced_one_loses_least(full, share):
    """One layer for each unit: it has the largest product of widths."""
    widths, subnet = found(full, f'{100 * share:g}%', balanced_subnet, tolerance=0.02)

    def loss(w):
        return -math.log(math.prod(w))

    target = share * macs(full)
    near = [
        w
        for w in itertools.product(*(range(1, n + 1) for n in full))
        if abs(macs(w) / target - 1) <= 0.02
    ]
    assert loss(widths) == pytest.approx(min(map(loss, near)), rel=1e-12)
    assert subnet.cost['macs'] == macs(widths)


def test_where_layers_share_their_channels_they_count_for_more():
    """A residual stage keeps more than what is inside its blocks: three blocks,
    and the stem."""
    blocks = nn.ModuleList(Block(16) for _ in range(3))
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *blocks)
    supernet = traced_copy(nn.Sequential(model, nn.Conv2d(16, 5, 1)), IMAGE)
    budget = Budget.parse('50%', supernet.cost.exact(supernet.full))
    stage, *inner = balanced_subnet(supernet, budget).units.values()
    assert supernet.cost.makers() == [4, 1, 1, 1]
    assert stage.channels == 16 and all(unit.channels < 12 for unit in inner)


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.second(torch.relu(self.first(x)))


@pytest.mark.parametrize('make', [uniform_subnet, balanced_subnet])
def test_both_say_when_the_target_is_not_met(make):
    with pytest.raises(TargetError, match='narrowest network has 3.33 times'):
        found((16, 16), '10%', make, choices=[range(8, 17)] * 2)


def test_the_rank_is_the_ratio_of_what_is_less_important():
    ranks = normalise(torch.tensor([0.3, 9.0, 0.1, 0.2]), 'rank')
    assert ranks.tolist() == [0.625, 0.875, 0.125, 0.375]


def test_by_rank_importance_narrows_all_units_alike():
    torch.manual_seed(0)
    model = net(16, 32, 32)
    model[0].weight.data *= 100  # by its magnitudes it would stay whole
    small = mmdmcp.prune(model, '50%', IMAGE, normalisation='rank', tolerance=0.05)
    ratios = [unit.channels / unit.of for unit in small.subnet.units.values()]
    assert max(ratios) - min(ratios) <= 1 / 16
    norms = model[1].weight.detach().square().sum(dim=(1, 2, 3))
    (kept,) = (u.kept for n, u in small.subnet.units.items() if n == '1')
    assert set(kept) == set(norms.topk(len(kept)).indices.tolist())
