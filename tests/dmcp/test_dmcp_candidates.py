"""The subnets that a search chooses from."""

import math

import pytest
import torch
from common.small_net import classifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope

from mmdmcp import DMCP, DMCPChannelUnit
from mmdmcp.cost import Budget
from mmdmcp.dmcp.candidates import (
    drawn_candidates,
    expected_candidate,
    find_candidates,
    near_draws,
)
from mmdmcp.registry import MODELS


@pytest.fixture(params=['sigmoid', 'exp'])
def search(build, request):
    """ResNet-14 for digits: narrow, so that a channel is a lot."""
    return build(
        classifier(depth=14, base_channels=16),
        mutator=dict(type='mmdmcp.DMCPChannelMutator', parametrisation=request.param),
    )


@pytest.mark.parametrize('seed', range(10))
def test_the_expected_net_meets_the_target(search, seed):
    """Wherever the chains stand, and although widths are whole channels."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(search.mutator.alpha.shape, generator=generator)
    search.mutator.alpha.data.add_(noise).clamp_(min=0)
    found = expected_candidate(search.mutator, search.budget, 0.01)
    assert search.budget.gap(found.cost) <= 0.01
    assert search.mutator.cost_of(found.widths) == found.cost


class OwnGridUnit(DMCPChannelUnit):
    """Multiples of 3, and all."""

    def __init__(self, name, num_channels, grid):
        super().__init__(name, num_channels, (*range(3, num_channels, 3), num_channels))


@pytest.fixture(scope='module')
def own_grid():
    """A search whose units have a grid of their own."""
    init_default_scope('mmpretrain')
    MODELS.register_module(module=OwnGridUnit)
    try:
        return DMCP(
            classifier(depth=8, base_channels=16),
            '50%',
            dict(unit='mmdmcp.OwnGridUnit'),
            input_shape=(1, 8, 8),
        )
    finally:
        MODELS.module_dict.pop('OwnGridUnit')


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**31), spread=st.floats(0, 4))
def test_every_width_is_on_the_grid_of_its_unit(own_grid, seed, spread):
    """Wherever the chains stand; and the target, which some network meets
    exactly, is met."""
    mutator = own_grid.mutator
    generator = torch.Generator().manual_seed(seed)
    noise = spread * torch.randn(mutator.alpha.shape, generator=generator)
    mutator.alpha.data.copy_(1 + noise)
    some = mutator.chains.draw_uniform(generator).tolist()
    budget = Budget.parse(mutator.cost_of(some)['macs'] - 1, own_grid.cost_of('max'))
    found = expected_candidate(mutator, budget, 0.01)
    direct = drawn_candidates('direct', mutator, budget, 0.01, num=3, max_draws=500)
    near = drawn_candidates('near', mutator, budget, 0.01, num=3, max_draws=500)
    for candidate in (found, *direct, *near):
        assert budget.gap(candidate.cost) <= 0.01
        assert mutator.cost_of(candidate.widths) == candidate.cost
        assert all(
            width in unit.grid for width, unit in zip(candidate.widths, mutator.units)
        )
    rounded = mutator.choose('expected')
    assert all(width in unit.grid for width, unit in zip(rounded, mutator.units))


@pytest.mark.parametrize('shift', [-2.0, 2.0])
def test_chains_off_the_target_are_shifted_as_one(search, shift):
    """Before any single channel is changed, and they keep their shape."""
    mutator, budget = search.mutator, search.budget
    alpha = mutator.alpha.detach().clone()
    mutator.alpha.data.copy_(mutator.chains.shifted(alpha, shift).clamp(min=0))
    assert budget.gap(mutator.cost_of(mutator.choose('expected'))) > 0.1
    found = expected_candidate(mutator, budget, tolerance=1.0)
    assert budget.gap(found.cost) < 0.03
    ratios = [w / u.num_channels for w, u in zip(found.widths, mutator.units)]
    assert max(ratios) - min(ratios) < 0.1  # all chains were alike


def test_rounding_is_made_up_by_single_channels(build):
    search = build(
        classifier(depth=14, base_channels=16), mutator=dict(grid=dict(divisor=1))
    )
    mutator, budget = search.mutator, search.budget
    rounded = expected_candidate(mutator, budget, tolerance=1.0)
    assert 0.0015 < budget.gap(rounded.cost) < 0.02
    found = expected_candidate(mutator, budget, tolerance=0.0015)
    assert budget.gap(found.cost) <= 0.0015
    moved = [abs(a - b) for a, b in zip(found.widths, rounded.widths)]
    assert max(moved) == 1


def test_direct_draws_are_distinct_and_within_tolerance(search):
    found = drawn_candidates('direct', search.mutator, search.budget, 0.01, num=5)
    assert len({tuple(c.widths) for c in found}) == 5
    assert all(search.budget.gap(c.cost) <= 0.01 for c in found)


def test_drawing_is_bounded(search):
    """A chain that can't reach the target gives what it has: nothing."""
    search.mutator.alpha.data.fill_(
        30.0 if search.mutator.parametrisation == 'sigmoid' else 0.0
    )
    assert (
        drawn_candidates(
            'direct', search.mutator, search.budget, 0.01, num=5, max_draws=1000
        )
        == []
    )


def test_near_networks_are_a_step_of_the_grid_from_the_expected_widths(search):
    """All of them, undecided as the chains are: direct draws are anywhere."""
    mutator, budget = search.mutator, search.budget
    expected = mutator.expected_widths(mutator.at_target(budget)).tolist()

    def furthest(candidate):
        return max(
            abs(unit.grid.index(width) - _place(wanted, unit.grid))
            for width, wanted, unit in zip(candidate.widths, expected, mutator.units)
        )

    near = drawn_candidates('near', mutator, budget, 0.01, num=5)
    assert len({tuple(c.widths) for c in near}) == 5
    assert [c.name for c in near] == ['near1', 'near2', 'near3', 'near4', 'near5']
    assert all(budget.gap(c.cost) <= 0.01 for c in near)
    assert max(map(furthest, near)) < 1
    assert (
        min(map(furthest, drawn_candidates('direct', mutator, budget, 0.01, num=5))) > 1
    )


def _place(width, grid):
    """Its index in a grid, in parts between two of its widths."""
    above = next(i for i, w in enumerate(grid) if w >= width)
    if above == 0:
        return 0
    low, high = grid[above - 1 : above + 1]
    return above - 1 + (width - low) / (high - low)


def test_rounding_at_random_keeps_the_mean(search):
    """And goes to no other widths than those on both sides."""
    mutator, budget = search.mutator, search.budget
    count = 20000
    widths = near_draws(mutator, budget)(count).double()
    expected = mutator.expected_widths(mutator.at_target(budget))
    error = 5 * widths.std(dim=0) / count**0.5
    assert ((widths.mean(dim=0) - expected).abs() <= error).all()
    grids = [unit.grid for unit in mutator.units]
    for column, wanted, grid in zip(widths.T, expected.tolist(), grids):
        place = _place(wanted, grid)
        around = {grid[math.floor(place)], grid[math.ceil(place)]}
        assert set(column.tolist()) <= around


@pytest.mark.parametrize('draws', ['near', 'direct'])
def test_the_expected_network_is_compared_once(search, draws):
    found = find_candidates(search.mutator, search.budget, 0.01, 5, draws)
    assert found[0].name == 'expected'
    assert len({tuple(c.widths) for c in found}) == len(found) > 1


def test_decided_chains_leave_one_network(search):
    """Every unit at a width of its grid: nothing is around it."""
    mutator = search.mutator
    keep, drop = (30.0, -30.0) if mutator.parametrisation == 'sigmoid' else (0.0, 30.0)
    mutator.alpha.data.fill_(keep)
    mutator.alpha.data[:, 4:] = drop
    budget = Budget.parse(
        mutator.cost_of(mutator.choose('expected'))['macs'], search.cost_of('max')
    )
    found = find_candidates(mutator, budget, 0.01, 5)
    assert [c.widths for c in found] == [mutator.choose('expected')]
