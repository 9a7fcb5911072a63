"""Choose which channels a budget keeps. Pure torch.

Gates and importance ask the same question: the largest values stay, as many
as the target pays for. A gate is open, a channel is kept.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .nearest import search_widths

#: Of all units, or as a function of a unit's channels.
Divisor = int | Callable[[int], int]


def open_mask(gates: Tensor, valid: Tensor) -> Tensor:
    """Which gates are open: those above zero, and never none of a unit.

    A unit whose gates are all at or below zero keeps the largest one: a
    layer without channels is no network any more.

    Args:
        gates: ``[units, channels]``, padded.
        valid: Where there is a channel, bool ``[units, channels]``.

    Returns:
        Bool ``[units, channels]``.
    """
    values = gates.detach().masked_fill(~valid, -torch.inf)
    largest = torch.zeros_like(valid).scatter_(
        1, values.argmax(dim=1, keepdim=True), True
    )
    return (values > 0) | largest


def choose_open(
    gates: Tensor,
    valid: Tensor,
    cost: Callable[[Tensor], float],
    target: float,
    tolerance: float,
) -> tuple[Tensor, float]:
    """Open the largest gates, as many as the target pays for.

    First one threshold for all gates, the one whose cost is nearest to the
    target. One channel can cost several percent of a small network, so
    then, while the cost is further from the target than tolerated, the
    gates next to the threshold are opened or closed: each time the nearest
    one that brings the cost closer, or, where no single one does, the
    nearest two, one to open and one to close. Where these do not either, any
    numbers of open gates are tried, those that are nearest to the target
    first.

    Args:
        gates: ``[units, channels]``, padded, on the CPU.
        valid: Where there is a channel.
        cost: Cost of the network, given ``[units]`` open channels.
        target: Cost wanted.
        tolerance: Accepted distance, as a ratio of the target.

    Returns:
        Open gates, bool ``[units, channels]``, and the threshold.
    """
    threshold, mask = _best_threshold(gates, valid, cost, target)
    gap = abs(cost(mask.sum(1)) - target)
    while gap > tolerance * target:
        flips = _flips((gates - threshold).abs(), valid, mask)
        choices = [(flip,) for flip in flips]
        pairs = [
            (a, b)
            for a in flips
            for b in flips
            if a.change > b.change and a.unit != b.unit
        ]
        best = _nearest(choices, mask, cost, target, gap) or _nearest(
            pairs, mask, cost, target, gap
        )
        if best is None:
            break
        for flip in best:
            mask[flip.unit, flip.channel] = flip.change > 0
        gap = abs(cost(mask.sum(1)) - target)
    if gap > tolerance * target:
        _search(mask, gates, valid, cost, target, tolerance)
    return mask, threshold


def _search(
    mask: Tensor, gates: Tensor, valid: Tensor, cost, target: float, tolerance: float
) -> None:
    """Open and close gates, in place, until the cost is within tolerance if
    some number of them is; the largest of a unit are open."""
    counts = search_widths(
        mask.sum(1).tolist(),
        [range(1, channels + 1) for channels in valid.sum(1).tolist()],
        lambda widths: abs(cost(torch.tensor(widths)) - target),
        tolerance * target,
    )
    if counts == mask.sum(1).tolist():
        return
    order = gates.masked_fill(~valid, -torch.inf).argsort(
        dim=1, descending=True, stable=True
    )
    for row, count in enumerate(counts):
        mask[row] = False
        mask[row, order[row, :count]] = True


def choose_channels(
    scores: Sequence[Tensor],
    cost: Callable[[Tensor], float],
    target: float,
    tolerance: float,
    kept: Sequence[Sequence[int]] | None = None,
    min_ratio: float = 0.0,
    divisor: Divisor = 1,
) -> list[tuple[int, ...]]:
    """Keep the most important channels, as many as the target pays for.

    The least important ones go first, whatever unit they are of. With a
    divisor they go in steps of that many, by the mean of their scores.

    Args:
        scores: One ``[channels]`` per unit, comparable between units.
        cost: Cost of the network, given ``[units]`` numbers of channels.
        target: Cost wanted.
        tolerance: Accepted distance, as a ratio of the target.
        kept: Channels of each unit that may be kept; all by default.
        min_ratio: Least ratio of a unit's channels that stays; one channel
            always does.
        divisor: Channels are kept in multiples of it, or all.

    Returns:
        Kept channels of each unit, ascending.
    """
    left = [range(len(row)) for row in scores] if kept is None else kept
    orders, steps = [], []
    for row, candidates in zip(scores, left):
        channels = torch.tensor(list(candidates))
        order = row[channels].argsort(descending=True, stable=True)
        orders.append(channels[order].tolist())
        allowed = width_steps(len(row), min_ratio, divisor)
        steps.append([n for n in allowed if n < len(channels)] + [len(channels)])
    size = max(map(len, steps))
    values = torch.zeros(len(steps), size, dtype=torch.float64)
    widths = torch.zeros(len(steps), size, dtype=torch.long)
    valid = torch.zeros(len(steps), size, dtype=torch.bool)
    for unit, (row, chosen, counts) in enumerate(zip(scores, orders, steps)):
        starts = [0, *counts[:-1]]
        for step, (start, stop) in enumerate(zip(starts, counts)):
            values[unit, step] = row[chosen[start:stop]].double().mean()
        widths[unit, : len(counts)] = torch.tensor(counts)
        valid[unit, : len(counts)] = True

    def cost_of_steps(open_steps: Tensor) -> float:
        return cost(widths.gather(1, open_steps[:, None] - 1).flatten())

    mask, _ = choose_open(values, valid, cost_of_steps, target, tolerance)
    counts = widths.gather(1, mask.sum(1, keepdim=True) - 1).flatten().tolist()
    return [tuple(sorted(order[:n])) for order, n in zip(orders, counts)]


def width_steps(
    channels: int, min_ratio: float = 0.0, divisor: Divisor = 1
) -> list[int]:
    """Numbers of channels that a unit may keep, ascending.

    Args:
        channels: What it has.
        min_ratio: Least ratio of them, rounded up to the divisor.
        divisor: Step between them; the last one is all channels.

    Example:
        >>> width_steps(20, 0.25, 8)
        [8, 16, 20]
    """
    if callable(divisor):
        divisor = divisor(channels)
    least = max(1, math.ceil(min_ratio * channels / divisor - 1e-9)) * divisor
    return [*range(least, channels, divisor), channels]


class Flip(NamedTuple):
    """A gate that could be opened (change 1) or closed (change -1)."""

    unit: int
    channel: int
    change: int
    distance: float


def _best_threshold(gates: Tensor, valid: Tensor, cost, target: float):
    """The threshold whose cost is nearest to the target, by bisection."""
    values = gates[valid].unique()  # ascending
    # One below all, then one in each gap, so that nothing lies on it.
    thresholds = torch.cat([values[:1] - 1, (values[1:] + values[:-1]) / 2])

    def masked(index: int) -> Tensor:
        return open_mask(gates - thresholds[index], valid)

    low, high = 0, len(thresholds) - 1  # cost falls with the index
    while high - low > 1:
        middle = (low + high) // 2
        if cost(masked(middle).sum(1)) > target:
            low = middle
        else:
            high = middle
    best = min((high, low), key=lambda i: abs(cost(masked(i).sum(1)) - target))
    return float(thresholds[best]), masked(best)


def _flips(distance: Tensor, valid: Tensor, mask: Tensor) -> list[Flip]:
    """Of every unit the nearest gate to open and the nearest to close.

    All channels of a unit cost the same: these are enough to look at.
    """
    flips = []
    for change, side in ((1, valid & ~mask), (-1, mask)):
        nearest, channels = distance.masked_fill(~side, torch.inf).min(dim=1)
        # The last channel of a unit stays.
        possible = side.sum(1) > (change < 0)
        for unit in possible.nonzero().flatten().tolist():
            flips.append(Flip(unit, int(channels[unit]), change, float(nearest[unit])))
    return flips


def _nearest(
    choices: Sequence[tuple[Flip, ...]], mask: Tensor, cost, target: float, gap: float
) -> tuple[Flip, ...] | None:
    """The choice nearest to the threshold that brings the cost closer."""
    counts = mask.sum(1)
    for choice in sorted(choices, key=lambda c: sum(f.distance for f in c)):
        changed = counts.clone()
        for flip in choice:
            changed[flip.unit] += flip.change
        if abs(cost(changed) - target) < gap:
            return choice
    return None
