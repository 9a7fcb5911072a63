"""The budget loss: values by hand, and which way it pulls."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdmcp.dmcp.budget import budget_loss, budgets_loss

TARGET = 200e6


def value_and_slope(expected):
    expected = torch.tensor(expected, dtype=torch.float64, requires_grad=True)
    loss = budget_loss(expected, TARGET)
    loss.backward()
    return loss.item(), expected.grad.item()


@pytest.mark.parametrize(
    'expected,loss',
    [
        (100e6, math.log(100)),
        (189.9e6, math.log(10.1)),
        (190e6, 0.0),
        (199.9e6, 0.0),
        (200e6, math.log(10)),
        (290e6, math.log(100)),
    ],
)
def test_values(expected, loss):
    assert value_and_slope(expected)[0] == pytest.approx(loss, abs=1e-9)


@pytest.mark.parametrize(
    'expected,sign', [(100e6, -1), (189e6, -1), (195e6, 0), (200e6, 1), (400e6, 1)]
)
def test_it_pulls_towards_the_target_from_both_sides(expected, sign):
    """The gradient changes its sign at the target."""
    slope = value_and_slope(expected)[1]
    assert (slope > 0) - (slope < 0) == sign


@pytest.mark.parametrize('expected', [1e6, 150e6, 230e6, 4e9])
def test_slope_is_that_of_finite_differences(expected):
    step = 1e-3 * expected
    numeric = (
        value_and_slope(expected + step)[0] - value_and_slope(expected - step)[0]
    ) / (2 * step)
    assert value_and_slope(expected)[1] == pytest.approx(numeric, rel=1e-3)


@given(
    ratio=st.floats(0.01, 30.0),
    target=st.floats(1e3, 1e10),
    dead_zone=st.sampled_from([0.5, 0.8, 0.95]),
)
def test_loss_and_slope_are_the_papers(ratio, target, dead_zone):
    """Written down once more with plain numbers, everywhere."""
    expected = torch.tensor(ratio * target, dtype=torch.float64, requires_grad=True)
    loss = budget_loss(expected, target, dead_zone)
    loss.backward()
    e, t = expected.item() / 1e6, target / 1e6
    if e >= t:
        known, slope = math.log(e - dead_zone * t), 1 / (e - dead_zone * t)
    elif e >= dead_zone * t:
        known, slope = 0.0, 0.0
    else:
        known, slope = math.log(t - e), -1 / (t - e)
    assert loss.item() == pytest.approx(known, rel=1e-9, abs=1e-9)
    assert expected.grad.item() * 1e6 == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(
    'used, counted',
    [
        ((1.3, 1.2), (0, 1)),  # both are too much
        ((1.3, 0.5), (0,)),
        ((1.3, 1.0), (0, 1)),  # at the target, as above it
        ((0.97, 1.2), (1,)),
        ((0.97, 0.5), ()),  # one uses its budget, the other may stay below
        ((0.6, 0.5), (0,)),  # only the nearer one asks for more
    ],
)
def test_several_targets_all_hold(used, counted):
    targets = (200e6, 4e6)
    costs = [
        torch.tensor(u * t, dtype=torch.float64, requires_grad=True)
        for u, t in zip(used, targets)
    ]
    budgets_loss(costs, targets).backward()
    for i, cost in enumerate(costs):
        alone = cost.detach().clone().requires_grad_()
        budget_loss(alone, targets[i]).backward()
        assert cost.grad == (alone.grad if i in counted else 0)


def test_one_target_is_the_budget_loss():
    cost = torch.tensor(123e6, dtype=torch.float64)
    assert budgets_loss([cost], [TARGET]) == budget_loss(cost, TARGET)
