"""The subnets that a search chooses from."""

import pytest
import torch
from common.small_net import classifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope

from mmdmcp import DMCP, DMCPChannelUnit
from mmdmcp.cost import Budget
from mmdmcp.dmcp.candidates import direct_candidates, expected_candidate
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
    direct = direct_candidates(mutator, budget, 0.01, num=3, max_draws=500)
    for candidate in (found, *direct):
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
    found = direct_candidates(search.mutator, search.budget, 0.01, num=5)
    assert len({tuple(c.widths) for c in found}) == 5
    assert all(search.budget.gap(c.cost) <= 0.01 for c in found)


def test_drawing_is_bounded(search):
    """A chain that can't reach the target gives what it has: nothing."""
    search.mutator.alpha.data.fill_(
        30.0 if search.mutator.parametrisation == 'sigmoid' else 0.0
    )
    assert (
        direct_candidates(search.mutator, search.budget, 0.01, num=5, max_draws=1000)
        == []
    )
