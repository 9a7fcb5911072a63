"""The network of a budget that loses least, by what its units are worth. Pure torch.

Losses fall with widths like powers of them:

    log L(w) = const - sum over units of k[u] * log(w[u])

Where every layer is worth the same, k[u] is the number of layers that make the
unit's channels, and nothing needs to be trained to know it: the best network is
the one with the largest product of all layers' widths.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ..cost import Budget
from ..cost.bisect import used_up_at
from ..cost.model import CostModel
from .nearest import best_widths_near

# Each step goes this part of the way, in logarithms: widths that occur in
# products overshoot otherwise.
_STEP, _STEPS, _CLOSE = 0.4, 300, 1e-4
_BISECTIONS = 40


def layer_shares(cost: CostModel) -> Tensor:
    """k of each unit as a share of their sum, if every layer is worth the same:
    ``[units]`` float64."""
    layers = torch.tensor(cost.makers(), dtype=torch.float64)
    return layers / layers.sum()


def best_network(
    shares: Tensor,
    cost: CostModel,
    budget: Budget,
    steps: Sequence[Sequence[int]],
    tolerance: float,
) -> list[int]:
    """The network of a budget that loses least, by the model above.

    Args:
        shares: k of each unit, ``[units]``.
        cost: What networks cost.
        budget: What this one may cost.
        steps: Widths that each unit may have, ascending; the last is the full
            one.
        tolerance: Accepted distance from the target, as a ratio of it.

    Returns:
        One width per unit; further from the target than the tolerance if no
        network within it is found.
    """
    low, full = (torch.tensor([each[i] for each in steps]) for i in (0, -1))
    wanted = best_widths(shares, partial(budget.used_at, cost), low, full)
    return best_widths_near(
        wanted.tolist(),
        steps,
        lambda widths: budget.gap(cost.exact(widths)),
        tolerance,
        lambda widths: float(predicted(shares, torch.tensor(widths))),
    )


def predicted(shares: Tensor, widths: Tensor) -> Tensor:
    """The model's log loss, but for its unit and a constant.

    Args:
        shares: k of each unit, ``[units]``.
        widths: ``[..., units]``.

    Returns:
        ``[...]`` float64.
    """
    return -widths.double().log() @ shares.double()


def best_widths(
    shares: Tensor,
    used: Callable[[Tensor], Tensor],
    low: Tensor,
    high: Tensor,
) -> Tensor:
    """The widths of the lowest loss, by the model above, that use the budget up.

    At the optimum, a little more of each unit's width gains as much for its
    cost as any other's. Each step multiplies widths by a power of that ratio, and
    all of them by what brings them back to the budget (the optimality criteria
    of structural design; Bendsoe and Sigmund, 2003, section 1.2).

    Args:
        shares: k of each unit, ``[units]``.
        used: What of a budget widths ``[units]`` use, at least one of them: 1
            is all of it. Differentiable, increasing.
        low: The narrowest widths.
        high: The widest ones.

    Returns:
        ``[units]`` float64; the narrowest or widest ones where the budget is
        out of reach.
    """
    low, high, shares = low.double(), high.double(), shares.double()
    widths = on_budget((high * low).sqrt(), used, low, high)
    for _ in range(_STEPS):
        widths.requires_grad_()
        (slope,) = torch.autograd.grad(used(widths), widths)
        widths = widths.detach()
        ratio = shares / (slope * widths).clamp(min=torch.finfo(torch.float64).tiny)
        before = widths
        widths = on_budget(widths * ratio**_STEP, used, low, high)
        if (widths / before).log().abs().max() < _CLOSE:
            break
    return widths


@torch.no_grad()
def on_budget(
    widths: Tensor, used: Callable[[Tensor], Tensor], low: Tensor, high: Tensor
) -> Tensor:
    """Widths times one factor, within their bounds, that use the budget up.

    Args:
        widths: ``[units]`` float64, like what is returned.
        used: What of a budget widths use; increasing.
        low: The narrowest widths.
        high: The widest ones.
    """

    def scaled(log: float) -> Tensor:
        return (widths.log() + log).exp().clamp(low, high)

    # Factors that take every width to its bound.
    lowest = float((low / widths).log().min())
    highest = float((high / widths).log().max())
    return scaled(
        used_up_at(lambda log: float(used(scaled(log))), lowest, highest, _BISECTIONS)
    )
