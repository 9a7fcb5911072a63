"""The subnets that a search chooses from."""

import pytest
import torch
from common.small_net import classifier

from mmdmcp.dmcp.candidates import direct_candidates, expected_candidate
from mmdmcp.dmcp.grid import WidthGrid


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


def test_rounding_is_made_up_by_single_channels(search):
    mutator, budget = search.mutator, search.budget
    mutator.grid = WidthGrid(divisor=1)
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
