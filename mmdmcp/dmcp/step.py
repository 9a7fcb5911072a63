"""Which way the chains' step goes. Pure torch.

The natural gradient (Amari, 1998) is the direction that improves the loss
most for a given change of the *distribution*, so that it does not depend on
how that is parametrised. For a chain it is simple: with m[g] the probability
that group g is kept and G[g] the loss's gradient in log p[g], the gradient in
the log-odds of p[g] is G[g] * (1 - p[g]), their Fisher information
m[g] * (1 - p[g]), and so the natural gradient

    G[g] / m[g]

which is what keeping group g is worth where the one before it is kept. What a
group is worth, per cost, above or below the others decides whether it becomes
more or less likely. Of that only the sign is followed: worths of different
layers are orders of magnitude apart, and from batch to batch they differ by
more than their mean, so each batch has one vote on each group (Bernstein et
al., signSGD, ICML 2018), and momentum counts the votes.
"""

import torch
from torch import Tensor


def natural(gradient: Tensor, information: Tensor) -> Tensor:
    """A natural gradient.

    Args:
        gradient: Of the loss, ``[units, groups]``.
        information: Of each parameter, alike: the Fisher information's
            diagonal, as there is nothing beside it.
    """
    return gradient / information.clamp(min=torch.finfo(information.dtype).tiny)


def level(direction: Tensor, slope: Tensor, information: Tensor) -> Tensor:
    """A direction without what changes the cost, to first order.

    What is left moves channels between units at the same cost: at its zero,
    a channel's worth per cost is the same everywhere.

    Args:
        direction: A natural gradient, ``[units, groups]``.
        slope: The cost's gradient.
        information: That the direction was made with.

    Returns:
        ``direction``, minus a multiple of the cost's natural gradient.
    """
    removed = natural(slope, information)
    squares = (slope * removed).sum()
    if squares > 0:
        return direction - (direction * slope).sum() / squares * removed
    return direction
