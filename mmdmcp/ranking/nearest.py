"""A network that costs what it should, near one that doesn't. Pure Python."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice

Widths = tuple[int, ...]


def nearest(expected: float, widths: Sequence[int]) -> int:
    """The width that is nearest to an expected one; of two, the larger.

    Args:
        expected: Expected channels of a unit.
        widths: Widths that it may have, ascending.
    """
    above = bisect_left(widths, expected)
    if above == len(widths):
        return widths[-1]
    low, high = widths[max(0, above - 1)], widths[above]
    return low if expected - low < high - expected else high


def fitted_widths(
    wanted: Sequence[float],
    steps: Sequence[Sequence[int]],
    gap: Callable[[Widths], float],
    tolerance: float,
) -> list[int]:
    """:func:`nearest_widths`; where none is near, :func:`search_widths` from the
    rounded ones, which may end outside the tolerance."""
    widths = nearest_widths(wanted, steps, gap, tolerance)
    # None near, or none at all.
    return widths or _search_from_rounded(wanted, steps, gap, tolerance)


def nearest_widths(
    wanted: Sequence[float],
    steps: Sequence[Sequence[int]],
    gap: Callable[[Widths], float],
    tolerance: float,
    tries: int = 3000,
) -> list[int] | None:
    """The widths within tolerance that are nearest to wanted ones.

    The distance is the sum of the squared logarithms of the ratios: a unit's
    width matters by its ratio, and where a grid is coarse, rounding one unit
    up takes others down by as much.

    Args:
        wanted: Width of each unit, above 0, not necessarily whole.
        steps: Widths that each unit may have.
        gap: How far a network is from the target.
        tolerance: Accepted gap.
        tries: Bound on the networks that are looked at.

    Returns:
        One width per unit; None if none of the nearest ``tries`` networks is
        within tolerance.

    Example:
        >>> nearest_widths((2.4, 2.4), [range(1, 5)] * 2, lambda w: abs(w[0] * w[1] - 6), 0)
        [3, 2]
    """
    for widths in islice(_by_distance(wanted, steps), tries):
        if gap(widths) <= tolerance:
            return list(widths)
    return None


def best_widths_near(
    wanted: Sequence[float],
    steps: Sequence[Sequence[int]],
    gap: Callable[[Widths], float],
    tolerance: float,
    loss: Callable[[Widths], float],
    tries: int = 3000,
) -> list[int]:
    """Of the networks within tolerance that are nearest to wanted widths, the one
    with the lowest loss.

    Args:
        wanted: As in :func:`nearest_widths`, like what follows.
        steps: Widths that each unit may have.
        gap: How far a network is from the target.
        tolerance: Accepted gap.
        loss: Of a network.
        tries: How many networks are looked at.

    Returns:
        One width per unit; :func:`search_widths` from the rounded ones where none of
        these is within tolerance.
    """
    near = islice(_by_distance(wanted, steps), tries)
    found = min((w for w in near if gap(w) <= tolerance), key=loss, default=None)
    if found is None:
        return _search_from_rounded(wanted, steps, gap, tolerance)
    return list(found)


def _by_distance(
    wanted: Sequence[float], steps: Sequence[Sequence[int]]
) -> Iterator[Widths]:
    """All networks, the nearest first."""
    options = [
        sorted((math.log(width / middle) ** 2, -width) for width in allowed)
        for middle, allowed in zip(wanted, steps)
    ]

    def entry(ranks: Widths, last: int) -> tuple[float, Widths, int]:
        distance = math.fsum(each[rank][0] for each, rank in zip(options, ranks))
        return distance, ranks, last

    # Each choice of ranks is reached once: by raising units in their order.
    queue = [entry((0,) * len(options), 0)]
    while queue:
        _, ranks, last = heappop(queue)
        yield tuple(-each[rank][1] for each, rank in zip(options, ranks))
        for unit in range(last, len(options)):
            if ranks[unit] + 1 < len(options[unit]):
                raised = (*ranks[:unit], ranks[unit] + 1, *ranks[unit + 1 :])
                heappush(queue, entry(raised, unit))


def _search_from_rounded(
    wanted: Sequence[float],
    steps: Sequence[Sequence[int]],
    gap: Callable[[Widths], float],
    tolerance: float,
) -> list[int]:
    start = [nearest(width, allowed) for width, allowed in zip(wanted, steps)]
    return search_widths(start, steps, gap, tolerance)


def search_widths(
    start: Sequence[int],
    steps: Sequence[Sequence[int]],
    gap: Callable[[Widths], float],
    tolerance: float,
    tries: int = 3000,
) -> list[int]:
    """Look for widths within tolerance, by small changes of others.

    Best-first search: of all networks seen so far, the one with the smallest
    gap is changed next, one unit by one step at a time. Where single changes
    only lead away it goes on over a detour, so in a small network it finds
    whatever there is.

    Args:
        start: Width of each unit.
        steps: Widths that each unit may have, ascending.
        gap: How far a network is from the target.
        tolerance: Accepted gap.
        tries: Bound on the networks that are looked at.

    Returns:
        Widths within tolerance, or the nearest that were seen.

    Example:
        >>> search_widths((3, 3), [range(1, 5)] * 2, lambda w: abs(w[0] * w[1] - 4), 0)
        [2, 2]
    """
    first = tuple(start)
    best = (gap(first), 0, first)
    seen, queue = {first}, [best]
    while queue and best[0] > tolerance and len(seen) < tries:
        widths = heappop(queue)[2]
        for unit, allowed in enumerate(steps):
            index = bisect_left(allowed, widths[unit])
            for other in allowed[max(0, index - 1) : index + 2]:
                changed = (*widths[:unit], other, *widths[unit + 1 :])
                if changed not in seen:
                    seen.add(changed)
                    entry = (gap(changed), len(seen), changed)
                    heappush(queue, entry)
                    best = min(best, entry)
    return list(best[2])
