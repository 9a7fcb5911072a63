"""Subnets to choose from at the end of a search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..cost import Budget
from ..ranking.nearest import nearest_widths, search_widths
from .mutator import DMCPChannelMutator


@dataclass
class Candidate:
    """A choice of widths.

    Attributes:
        name: ``'expected'`` or ``'direct1'``, ``'direct2'``, ...
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
    widths = nearest_widths(wanted.tolist(), steps, gap, tolerance)
    if widths is None:  # none near, or none at all
        widths = search_widths(mutator.rounded(wanted), steps, gap, tolerance)
    return Candidate('expected', widths, mutator.cost_of(widths))


def to_compare(
    expected: Candidate, direct: list[Candidate], budget: Budget, tolerance: float
) -> list[Candidate]:
    """The candidates, the expected network first; without it if it is further
    from the target than the tolerance and draws are not."""
    if direct and budget.gap(expected.cost) > tolerance:
        return direct
    return [expected, *direct]


def direct_candidates(
    mutator: DMCPChannelMutator,
    budget: Budget,
    tolerance: float,
    num: int,
    max_draws: int = 20000,
) -> list[Candidate]:
    """Direct sampling: draws from the chains within tolerance of the target.

    Bounded: after ``max_draws`` draws it returns what it has, which may be
    fewer than ``num``, or none.

    Args:
        mutator: The chains.
        budget: What it may cost.
        tolerance: Accepted distance, as a ratio of the target.
        num: Distinct candidates wanted.
        max_draws: Bound on the draws.
    """
    found: dict[tuple, Candidate] = {}
    done, batch = 0, 500
    while done < max_draws and len(found) < num:
        widths = mutator.chains.draw(mutator.logits, mutator.generator, batch)
        done += batch
        used = budget.used_at(mutator.supernet.cost, widths)
        near = (used - 1).abs() <= tolerance
        for row in widths[near].tolist():
            if len(found) < num and tuple(row) not in found:
                found[tuple(row)] = Candidate(
                    f'direct{len(found) + 1}', row, mutator.cost_of(row)
                )
    return list(found.values())
