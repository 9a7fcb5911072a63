"""DMCP's budget loss. Pure torch."""

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
        dead_zone: Where the loss ends, as a share of the target.

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
