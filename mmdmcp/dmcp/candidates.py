"""Subnets to choose from at the end of a search."""

import math
from dataclasses import dataclass, field

from ..cost import Budget
from ..ranking.nearest import search_widths
from .grid import neighbour
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
    """Expected sampling: every unit's expected width, rounded.

    All logits are shifted by one common amount, found by bisection, wherever
    that brings the rounded network closer to the target: the chains keep
    their shape. A distance above the tolerance that is left is made up by
    the smallest changes that the units' grids allow.

    Args:
        mutator: The chains.
        budget: What it may cost.
        tolerance: Accepted distance, as a ratio of the target.
    """
    alpha = mutator.logits.detach().double().cpu()

    def shifted(amount: float) -> tuple[Candidate, list[float]]:
        expected = mutator.expected_widths(mutator.chains.shifted(alpha, amount))
        widths = mutator.rounded(expected)
        cost = mutator.cost_of(widths)
        return Candidate('expected', widths, cost), expected.tolist()

    best, expected = shifted(0.0)
    low, high = -40.0, 40.0  # cost rises with the amount
    for _ in range(60):
        middle = (low + high) / 2
        found, widths = shifted(middle)
        if budget.gap(found.cost) < budget.gap(best.cost):
            best, expected = found, widths
        over = budget.used(found.cost) > 1
        low, high = (low, middle) if over else (middle, high)
    _adjust(mutator, best, expected, budget, tolerance)
    return best


def _adjust(
    mutator: DMCPChannelMutator,
    candidate: Candidate,
    expected: list[float],
    budget: Budget,
    tolerance: float,
) -> None:
    """Change one unit after the other until a candidate is within tolerance.

    Units that begin alike cross a rounding border together, and in a narrow
    network that can cost more than the tolerance. Units that rounding moved
    furthest in the other direction go first; every change brings the cost
    nearer. Where no single one does, several are tried.
    """

    def moved_by_rounding(unit: int) -> float:
        return step * (candidate.widths[unit] - expected[unit])

    while budget.gap(candidate.cost) > tolerance:
        step = 1 if budget.used(candidate.cost) < 1 else -1
        for u in sorted(range(len(expected)), key=moved_by_rounding):
            widths = list(candidate.widths)
            widths[u] = neighbour(widths[u], mutator.units[u].steps, up=step > 0)
            cost = mutator.cost_of(widths)
            if budget.gap(cost) < budget.gap(candidate.cost):
                candidate.widths, candidate.cost = widths, cost
                break
        else:
            break
    if budget.gap(candidate.cost) > tolerance:
        candidate.widths = search_widths(
            candidate.widths,
            [unit.steps for unit in mutator.units],
            lambda widths: budget.gap(mutator.cost_of(widths)),
            tolerance,
        )
        candidate.cost = mutator.cost_of(candidate.widths)


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
