"""Where the chains of a budget start."""

import logging
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor

from ..cost import Budget, CostModel
from ..cost.bisect import used_up_at
from ..ranking.balanced import best_network
from .markov import Chains

INITS = ('fitted', 'target', 'zero')


def alike(chains: Chains, cost: CostModel, budget: Budget) -> float:
    """The one logit of all chains at which the expected cost is the target.

    Next to the cheapest or the full network it is a little off the target, with
    a warning, so that every chain has a gradient.

    Args:
        chains: Of all units.
        cost: Of the network, by its widths.
        budget: Above the cost of the narrowest network.
    """

    def used(logit: float) -> float:
        with torch.no_grad():
            alpha = torch.full(chains.shape, logit, dtype=torch.float64)
            return float(budget.used_at(cost, chains.expected(alpha)))

    logit = used_up_at(used, *chains.extremes())
    if abs(used(logit) - 1) > 1e-6:
        print_log(
            f'the chains start at an expected cost of {used(logit):.1%} of the '
            f'target, not at the target of {budget}: nearer to the end of what '
            'the grid allows they would hardly learn',
            logger='current',
            level=logging.WARNING,
        )
    return logit


def by_worth(
    chains: Chains,
    cost: CostModel,
    budget: Budget,
    steps: Sequence[Sequence[int]],
    shares: Tensor,
    tolerance: float,
) -> Tensor:
    """Logits whose expected widths are those of the network that suits a budget
    best, ``[units, groups]``; the log says what they are.

    Args:
        chains: Of all units.
        cost: Of the network, by its widths.
        budget: What it may cost.
        steps: Widths that each unit can have; the last is the full one.
        shares: What the width of each unit is worth, ``[units]``.
        tolerance: Accepted distance from the target, as a ratio of it.
    """
    network = best_network(shares, cost, budget, steps, tolerance)
    kept = [width / each[-1] for width, each in zip(network, steps)]
    print_log(
        f'the chains for {budget} start at the network that suits it best by '
        f'what its units are worth: layers keep {min(kept):.2f} to '
        f'{max(kept):.2f} of their channels',
        logger='current',
    )
    return chains.logits_at(torch.tensor(network))
