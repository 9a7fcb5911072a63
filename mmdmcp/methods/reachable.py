"""A target that no network reaches is refused before anything is trained."""

import math

import torch

from ..cost import Budget, Limit
from ..errors import TargetError
from .mutator import ChannelMutator


def check_reachable(budget: Budget, mutator: ChannelMutator) -> None:
    """Raise if even the narrowest network costs more than a target.

    Args:
        budget: What it may cost.
        mutator: Knows the network, which was prepared.

    Raises:
        TargetError: Naming the least cost, the nearest target, a remedy, and
            what stays whole if that is the cause.
    """
    least = mutator.cost_of(mutator.choose('min'))
    for limit in budget:
        amount = least[limit.measure.name]
        if limit.value < amount:
            remedy = mutator.remedy()
            nearest = math.ceil(1000 * amount / limit.full) / 10
            raise TargetError(
                f"the target of {limit} can't be reached: with "
                f'{mutator.narrowest()} the network has '
                f"{limit.measure.format(amount)}. Raise the target to '{nearest:g}%'"
                f'{remedy and f", or {remedy}"}{_left_whole(limit, mutator)}'
            )


def _left_whole(limit: Limit, mutator: ChannelMutator) -> str:
    """A sentence about units that can't be pruned, where they are why: half
    of what is left to spend is in layers that no unit narrows."""
    supernet = mutator.supernet
    nothing = torch.zeros(len(mutator.units))
    fixed = float(limit.measure.value(supernet.cost, nothing))
    if not supernet.unprunable or fixed < limit.value / 2:
        return ''
    return (
        f'. {limit.measure.format(fixed)} of it is in layers that no unit narrows; '
        f'kept whole are {supernet.whole_summary()}'
    )
