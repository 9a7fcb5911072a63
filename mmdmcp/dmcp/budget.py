"""DMCP's budget loss. Pure torch."""

from collections.abc import Sequence

import torch
from torch import Tensor


def budget_loss(expected: Tensor, target: float, dead_zone: float = 0.95) -> Tensor:
    """How far the expected cost E is from the target T (Guo et al., 2020).

    ==========================  ====================
    E < dead_zone * T           ``log|E - T|``
    dead_zone * T <= E < T      0
    E >= T                      ``log|E - dead_zone * T|``
    ==========================  ====================

    Both costs are counted in millions first, as in the release. A constant
    factor inside the logarithm shifts the loss and leaves its gradient
    alone, so this matters for reading only.

    Args:
        expected: Expected cost, scalar tensor.
        target: Target.
        dead_zone: Where the loss ends, as a ratio of the target.

    Returns:
        Scalar tensor. No host synchronisation.
    """
    expected, target = expected / 1e6, target / 1e6
    lower = dead_zone * target
    below = (expected < lower).to(expected)
    above = (expected >= target).to(expected)
    # E is at least (1 - dead_zone) * T away from the point that it is
    # measured from, wherever the loss is not zero.
    distance = below * (target - expected) + above * (expected - lower)
    return torch.where(distance > 0, distance, torch.ones_like(distance)).log()


def budgets_loss(
    expected: Sequence[Tensor], targets: Sequence[float], dead_zone: float = 0.95
) -> Tensor:
    """The budget loss of several costs, whose targets must all hold.

    The sum over those that are at or above their targets. Below all of them
    the one that is nearest to its own counts alone: only there is room left.

    Args:
        expected: Expected costs, scalar tensors.
        targets: Target of each.
        dead_zone: As in :func:`budget_loss`.

    Returns:
        Scalar tensor; of one cost, its budget loss. No host synchronisation.
    """
    losses = torch.stack(
        [budget_loss(e, t, dead_zone) for e, t in zip(expected, targets)]
    )
    used = torch.stack([e.detach() / t for e, t in zip(expected, targets)])
    counts = (used >= 1) | (used == used.max())
    return (losses * counts).sum()
