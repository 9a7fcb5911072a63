"""A search among the neighbours of the best candidates, by their scores."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import torch

Network = tuple[int, ...]
#: Tries to find a neighbour that costs what it should and is new.
_MAX_TRIES = 1000


def evolve(
    scores: dict[Network, float],
    score: Callable[[Sequence[int]], float],
    affordable: Callable[[Sequence[int]], bool],
    grids: Sequence[Sequence[int]],
    evaluations: int,
    generator: torch.Generator,
    parents: int = 5,
) -> dict[Network, float]:
    """Evaluate neighbours of the best networks known so far.

    One after the other: one of the ``parents`` best is drawn, and some of
    its units, two or three, become wider or narrower by a step until the
    whole costs what it should. (Evolution over a supernet, as in Guo et
    al., Single Path One-Shot, ECCV 2020, from good parents, not random ones.)

    Args:
        scores: Networks known, one width per unit, and how good they are.
            Not changed.
        score: How good a network is; larger is better.
        affordable: Whether a network costs what it should.
        grids: Widths of each unit, ascending, that a step leads to.
        evaluations: Networks to evaluate; fewer if no more are found.
        generator: Makes the draws, on the CPU.
        parents: Networks to draw from.

    Returns:
        All networks known then.
    """
    known = dict(scores)
    for _ in range(evaluations):
        best = sorted(known, key=known.__getitem__, reverse=True)[:parents]
        child = _child(best, known, affordable, grids, generator)
        if child is None:
            break
        known[child] = score(child)
    return known


def _child(
    parents: Sequence[Network],
    known: dict[Network, float],
    affordable: Callable[[Sequence[int]], bool],
    grids: Sequence[Sequence[int]],
    generator: torch.Generator,
) -> Network | None:
    """A new network that costs what it should; None if none was found."""
    for _ in range(_MAX_TRIES):
        parent = parents[_draw(len(parents), generator)]
        child = list(parent)
        count = min(len(child), 2 + _draw(2, generator))
        chosen = torch.randperm(len(child), generator=generator)[:count].tolist()
        first_up = bool(_draw(2, generator))
        for place, unit in enumerate(chosen):
            # The first against the others: the cost stays about the same.
            up = first_up == (place == 0)
            child[unit] = _stepped(child[unit], grids[unit], up)
        if tuple(child) not in known and affordable(child):
            return tuple(child)
    return None


def _stepped(width: int, grid: Sequence[int], up: bool) -> int:
    """The grid's next width above or below; the same one at the end."""
    index = bisect_right(grid, width) if up else bisect_left(grid, width) - 1
    return grid[index] if 0 <= index < len(grid) else width


def _draw(bound: int, generator: torch.Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))
