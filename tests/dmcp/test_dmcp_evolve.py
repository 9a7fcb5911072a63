"""Evolution from good candidates, on a score that is known everywhere."""

import itertools

import pytest
import torch

from mmdmcp.dmcp.evolve import evolve

WIDTHS = range(1, 7)
GRIDS = [WIDTHS] * 4
VALUES = (1.0, 2.0, 3.0, 4.0)


def value(network):
    return sum(v * w for v, w in zip(VALUES, network))


def affordable(network):
    return sum(network) == 12


def run(evaluations, seed=0, score=value):
    start = {(3, 3, 3, 3): value((3, 3, 3, 3))}
    generator = torch.Generator().manual_seed(seed)
    return evolve(start, score, affordable, GRIDS, evaluations, generator)


@pytest.mark.parametrize('seed', range(3))
def test_it_finds_the_best_affordable_network(seed):
    best = max(filter(affordable, itertools.product(WIDTHS, repeat=4)), key=value)
    found = run(60, seed)
    assert max(found, key=found.get) == best


def test_it_evaluates_new_affordable_networks_and_no_more_than_it_may():
    asked = []
    found = run(20, score=lambda net: asked.append(net) or value(net))
    assert len(asked) == len(set(asked)) == 20
    assert all(map(affordable, asked))
    assert set(asked) | {(3, 3, 3, 3)} == set(found)


def test_it_ends_where_nothing_else_can_be_afforded():
    only = {(3, 3, 3, 3): 1.0}
    generator = torch.Generator().manual_seed(0)
    found = evolve(only, value, lambda n: tuple(n) in only, GRIDS, 5, generator)
    assert found == only
