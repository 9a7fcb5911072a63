"""A network that costs what it should, near one that doesn't. Pure Python."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

Widths = tuple[int, ...]


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
