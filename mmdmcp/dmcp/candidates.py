"""Subnets to choose from at the end of a search."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..cost import Budget
from ..ranking.nearest import fitted_widths
from .mutator import DMCPChannelMutator


@dataclass
class Candidate:
    """A choice of widths.

    Attributes:
        name: ``'expected'``, or ``'near1'``, ``'direct1'`` and so on.
        widths: One width per unit.
        cost: What it costs, by the measures' names.
        metrics: What its evaluation gave.
    """

    name: str
    widths: list[int]
    cost: dict[str, int]
    metrics: dict[str, float] = field(default_factory=dict)

    def score(self, metric: str | None) -> float | None:
        """Its value of a metric; None if it has none, or one that is NaN or
        no number."""
        try:
            value = float(self.metrics.get(metric or '', math.nan))
        except (TypeError, ValueError):
            return None
        return None if math.isnan(value) else value


def expected_candidate(
    mutator: DMCPChannelMutator, budget: Budget, tolerance: float
) -> Candidate:
    """Expected sampling: of the networks that cost what they should, the one
    that is nearest to the chains' expected widths.

    All logits are shifted by one common amount first, so that the expected
    widths themselves cost what they should: the chains keep their shape.

    Args:
        mutator: The chains.
        budget: What it may cost.
        tolerance: Accepted distance, as a ratio of the target.
    """

    def gap(widths: Sequence[int]) -> float:
        return budget.gap(mutator.cost_of(widths))

    wanted = mutator.expected_widths(mutator.at_target(budget))
    steps = [unit.steps for unit in mutator.units]
    widths = fitted_widths(wanted.tolist(), steps, gap, tolerance)
    return Candidate('expected', widths, mutator.cost_of(widths))


#: So many networks, one width per unit: ``[count, units]``.
Draw = Callable[[int], Tensor]


def near_draws(mutator: DMCPChannelMutator, budget: Budget) -> Draw:
    """Networks around the expected one: each unit's expected width, rounded up
    or down to a width of its grid at random, so that the mean stays.

    Where the chains are undecided, direct draws are far from the expected
    network and from each other; these are not. Where they are decided, the two
    are alike.
    """
    wanted = mutator.expected_widths(mutator.at_target(budget))
    pairs = [_around(w, u.grid) for w, u in zip(wanted.tolist(), mutator.units)]
    low, high = torch.tensor(pairs).T
    share = ((wanted - low) / (high - low).clamp(min=1)).clamp(0, 1)

    def draw(count: int) -> Tensor:
        uniform = torch.rand(
            (count, len(pairs)), generator=mutator.generator, dtype=torch.float64
        )
        return torch.where(uniform < share, high, low)

    return draw


def direct_draws(mutator: DMCPChannelMutator, budget: Budget) -> Draw:
    """Direct sampling: every unit's width, drawn from its chain."""

    def draw(count: int) -> Tensor:
        return mutator.chains.draw(mutator.logits, mutator.generator, count)

    return draw


#: Networks to compare with the expected one, by the name of the option.
DRAWS = {'near': near_draws, 'direct': direct_draws}


def drawn_candidates(
    draws: str,
    mutator: DMCPChannelMutator,
    budget: Budget,
    tolerance: float,
    num: int,
    max_draws: int = 20000,
    apart_from: Sequence[int] | None = None,
) -> list[Candidate]:
    """Draws within tolerance of the target.

    Args:
        draws: Which, one of :data:`DRAWS`.
        mutator: The chains.
        budget: What it may cost.
        tolerance: Accepted distance, as a ratio of the target.
        num: Distinct candidates wanted.
        max_draws: Bound on the draws.
        apart_from: Widths of a network that is none of them.

    Returns:
        ``num`` candidates, or fewer where the draws were used up.
    """
    draw = DRAWS[draws](mutator, budget)
    found: dict[tuple, Candidate] = {}
    done, batch = 0, 500
    while done < max_draws and len(found) < num:
        widths = draw(batch)
        done += batch
        used = budget.used_at(mutator.supernet.cost, widths)
        for row in widths[(used - 1).abs() <= tolerance].tolist():
            new = tuple(row) not in found and row != apart_from
            if len(found) < num and new:
                found[tuple(row)] = Candidate(
                    f'{draws}{len(found) + 1}', row, mutator.cost_of(row)
                )
    return list(found.values())


def find_candidates(
    mutator: DMCPChannelMutator,
    budget: Budget,
    tolerance: float,
    num: int,
    draws: str = 'near',
    max_draws: int = 20000,
) -> list[Candidate]:
    """The expected network, first, and others to compare it with; without it
    if it is further from the target than the tolerance and others are not.

    Args:
        mutator: The chains.
        budget: What it may cost.
        tolerance: Accepted distance, as a ratio of the target.
        num: How many others, at most.
        draws: Which others, one of :data:`DRAWS`.
        max_draws: Bound on the draws.
    """
    expected = expected_candidate(mutator, budget, tolerance)
    others = drawn_candidates(
        draws, mutator, budget, tolerance, num, max_draws, expected.widths
    )
    if others and budget.gap(expected.cost) > tolerance:
        return others
    return [expected, *others]


def _around(width: float, grid: Sequence[int]) -> tuple[int, int]:
    """The widths of a grid, ascending, on both sides of a width."""
    above = min(max(bisect_left(grid, width), 1), len(grid) - 1)
    return (grid[above - 1], grid[above]) if above else (grid[0], grid[0])
