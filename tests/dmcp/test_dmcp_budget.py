"""The budget loss: values by hand, and which way it pulls."""

import math

import pytest
import torch

from mmdmcp.dmcp.budget import budget_loss

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
