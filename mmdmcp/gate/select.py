"""Choose which gates are open. Pure torch."""
from typing import Callable, Tuple

import torch
from torch import Tensor


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
        1, values.argmax(dim=1, keepdim=True), True)
    return (values > 0) | largest


def choose_open(gates: Tensor, valid: Tensor, cost: Callable[[Tensor], float],
                target: float, tolerance: float) -> Tuple[Tensor, float]:
    """Open the largest gates, as many as the target pays for.

    First one threshold for all gates, the one whose cost is nearest to the
    target. One channel can cost several percent of a small network, so
    then, while the cost is further from the target than tolerated, the
    gates next to the threshold are opened or closed one by one, each time
    the nearest one that brings the cost closer.

    Args:
        gates: ``[units, channels]``, padded, on the CPU.
        valid: Where there is a channel.
        cost: Cost of the network, given ``[units]`` open channels.
        target: Cost wanted.
        tolerance: Accepted distance, as a share of the target.

    Returns:
        Open gates, bool ``[units, channels]``, and the threshold.
    """
    threshold, mask = _best_threshold(gates, valid, cost, target)
    gap = abs(cost(mask.sum(1)) - target)
    while gap > tolerance * target:
        flip = _best_flip(gates - threshold, valid, mask, cost, target, gap)
        if flip is None:
            break  # no single channel brings it closer
        mask[flip] = ~mask[flip]
        gap = abs(cost(mask.sum(1)) - target)
    return mask, threshold


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
    best = min((high, low),
               key=lambda i: abs(cost(masked(i).sum(1)) - target))
    return float(thresholds[best]), masked(best)


def _best_flip(distance: Tensor, valid: Tensor, mask: Tensor, cost,
               target: float, gap: float):
    """The gate nearest to the threshold whose flip brings the cost closer.

    All channels of a unit cost the same: one to close and one to open a
    unit are enough to look at.
    """
    counts, best, best_distance = mask.sum(1), None, torch.inf
    for side, change in ((mask, -1), (valid & ~mask, +1)):
        sizes = distance.abs().masked_fill(~side, torch.inf)
        nearest = sizes.min(dim=1)
        for unit, (size, channel) in enumerate(zip(*nearest)):
            if change < 0 and counts[unit] == 1 or size >= best_distance:
                continue
            changed = counts.clone()
            changed[unit] += change
            if abs(cost(changed) - target) < gap:
                best, best_distance = (unit, int(channel)), size
    return best
