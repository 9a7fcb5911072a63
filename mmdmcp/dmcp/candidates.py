"""Subnets to choose from at the end of a search."""

from dataclasses import dataclass, field

from .mutator import DMCPChannelMutator


@dataclass
class Candidate:
    """A choice of widths.

    Attributes:
        name: ``'expected'`` or ``'direct1'``, ``'direct2'``, ...
        widths: One width a unit.
        macs: Its cost.
        metrics: What its evaluation gave.
    """

    name: str
    widths: list[int]
    macs: int
    metrics: dict[str, float] = field(default_factory=dict)


def expected_candidate(
    mutator: DMCPChannelMutator, target: int, tolerance: float
) -> Candidate:
    """Expected sampling: every unit's expected width, rounded.

    All logits are shifted by one common amount, found by bisection, wherever
    that brings the rounded network closer to the target: the chains keep
    their shape. A distance above the tolerance that is left is made up by
    the smallest changes that the grid's divisor allows.

    Args:
        mutator: The chains.
        target: MACs aimed at.
        tolerance: Accepted distance, as a share of the target.
    """
    alpha = mutator.alpha.detach().double().cpu()

    def shifted(amount: float) -> tuple[Candidate, list[float]]:
        expected = mutator.expected_widths(mutator.chains.shifted(alpha, amount))
        widths = mutator.rounded(expected)
        macs = mutator.cost_of(widths)['macs']
        return Candidate('expected', widths, macs), expected.tolist()

    best, expected = shifted(0.0)
    low, high = -40.0, 40.0  # cost rises with the amount
    for _ in range(60):
        middle = (low + high) / 2
        found, widths = shifted(middle)
        if abs(found.macs - target) < abs(best.macs - target):
            best, expected = found, widths
        low, high = (low, middle) if found.macs > target else (middle, high)
    _make_up(mutator, best, expected, target, tolerance)
    return best


def _make_up(
    mutator: DMCPChannelMutator,
    candidate: Candidate,
    expected: list[float],
    target: int,
    tolerance: float,
) -> None:
    """Change one unit after the other until a candidate is within tolerance.

    Units that begin alike cross a rounding border together, and in a narrow
    network that can cost more than the tolerance. Units that rounding moved
    furthest in the other direction go first; every change brings the cost
    nearer.
    """

    def moved_by_rounding(unit: int) -> float:
        return step * (candidate.widths[unit] - expected[unit])

    while abs(candidate.macs - target) > tolerance * target:
        step = 1 if candidate.macs < target else -1
        for u in sorted(range(len(expected)), key=moved_by_rounding):
            widths = list(candidate.widths)
            widths[u] = mutator.grid.neighbour(
                widths[u], mutator.units[u].grid, up=step > 0
            )
            macs = mutator.cost_of(widths)['macs']
            if abs(macs - target) < abs(candidate.macs - target):
                candidate.widths, candidate.macs = widths, macs
                break
        else:
            return


def direct_candidates(
    mutator: DMCPChannelMutator,
    target: int,
    tolerance: float,
    num: int,
    max_draws: int = 20000,
) -> list[Candidate]:
    """Direct sampling: draws from the chains within tolerance of the target.

    Bounded: after ``max_draws`` draws it returns what it has, which may be
    fewer than ``num``, or none.

    Args:
        mutator: The chains.
        target: MACs aimed at.
        tolerance: Accepted distance, as a share of the target.
        num: Distinct candidates wanted.
        max_draws: Bound on the draws.
    """
    found: dict[tuple, Candidate] = {}
    done, batch = 0, 500
    while done < max_draws and len(found) < num:
        widths = mutator.chains.draw(mutator.alpha, mutator.generator, batch)
        done += batch
        macs = mutator.supernet.cost.macs(widths)
        near = (macs - target).abs() <= tolerance * target
        for row, cost in zip(widths[near].tolist(), macs[near].tolist()):
            if len(found) < num and tuple(row) not in found:
                found[tuple(row)] = Candidate(
                    f'direct{len(found) + 1}', row, round(cost)
                )
    return list(found.values())
