"""Networks to beat, that nothing is trained for: all units narrowed alike, or so
that each layer loses alike."""

import math
from collections.abc import Sequence

from ..cost import Budget
from ..cost.bisect import used_up_at
from ..errors import TargetError
from ..ranking.balanced import best_network, layer_shares
from ..ranking.nearest import fitted_widths
from ..subnet import Subnet
from ..supernet import Supernet


def uniform_subnet(
    supernet: Supernet,
    budget: Budget,
    choices: Sequence[Sequence[int]] | None = None,
    tolerance: float = 0.01,
) -> Subnet:
    """Narrow every unit alike, to a target.

    Of the networks within the tolerance, the one nearest to the same ratio of
    channels everywhere, by the logarithms of the ratios; each unit keeps its
    first channels. For a training from scratch.

    Args:
        supernet: What is narrowed.
        budget: What the network may cost.
        choices: Numbers of channels that each unit may keep, ascending; by
            default any.
        tolerance: Accepted distance from the target, as a ratio of it.

    Raises:
        TargetError: If no network within the tolerance is found.
    """
    full = supernet.full
    steps = choices or [range(1, size + 1) for size in full]

    def gap(widths: Sequence[int]) -> float:
        return budget.gap(supernet.cost.exact(widths))

    def at(ratio: float) -> list[int]:
        return [
            min(max(each[0], round(ratio * size)), size)
            for each, size in zip(steps, full)
        ]

    ratio = used_up_at(
        lambda ratio: budget.used(supernet.cost.exact(at(ratio))),
        0.0,
        1.0,
        math.ceil(math.log2(max(full))) + 8,  # to parts of a channel
    )
    wanted = [max(each[0], ratio * size) for each, size in zip(steps, full)]
    widths = fitted_widths(wanted, steps, gap, tolerance)
    _require_near(widths, supernet, budget, steps, tolerance, 'narrowing all alike')
    return supernet.subnet(widths, 'uniform', budget.values)


def balanced_subnet(
    supernet: Supernet,
    budget: Budget,
    choices: Sequence[Sequence[int]] | None = None,
    tolerance: float = 0.01,
) -> Subnet:
    """Narrow units to a target so that it costs least, if every layer is worth the
    same (:mod:`mmdmcp.ranking.balanced`).

    Args:
        supernet: As for :func:`uniform_subnet`, like the others.
        budget: What the network may cost.
        choices: Numbers of channels that each unit may keep.
        tolerance: Accepted distance from the target.

    Raises:
        TargetError: If no network within the tolerance is found.
    """
    cost = supernet.cost
    steps = choices or [range(1, size + 1) for size in supernet.full]
    widths = best_network(layer_shares(cost), cost, budget, steps, tolerance)
    _require_near(widths, supernet, budget, steps, tolerance, 'balanced widths')
    return supernet.subnet(widths, 'balanced', budget.values)


def _require_near(
    widths: Sequence[int],
    supernet: Supernet,
    budget: Budget,
    steps: Sequence[Sequence[int]],
    tolerance: float,
    how: str,
) -> None:
    gap = budget.gap(supernet.cost.exact(widths))
    if gap <= tolerance:
        return
    least = budget.used(supernet.cost.exact([each[0] for each in steps]))
    raise TargetError(
        f'the target of {budget} is not met by {how}: '
        + (
            f'the narrowest network has {least:.2f} times that. Raise the target, '
            'or let units be narrower'
            if least > 1
            else f'the nearest network that was found is {gap:.1%} away. '
            'Choose another target, or let units have more widths'
        )
    )
