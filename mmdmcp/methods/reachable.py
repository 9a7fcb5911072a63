"""A target that no network reaches is refused before anything is trained."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch

from ..cost import MEASURES, Budget, Limit
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


def check_counted(budget: Budget, mutator: ChannelMutator) -> None:
    """Raise if no limit depends on some unit: nothing would decide its width.

    Layers that only training runs, such as auxiliary heads, cost nothing at
    inference whatever the target; their width is free.

    Raises:
        TargetError: Naming the units and the remedy.
    """
    widths = torch.tensor(mutator.supernet.full, dtype=torch.float64)
    widths.requires_grad_()

    def slopes(measures: Sequence[Any]) -> list[float]:
        total = sum(
            measure.value(mutator.supernet.cost, widths) for measure in measures
        )
        return torch.autograd.grad(total, widths)[0].tolist()

    counted = slopes([limit.measure for limit in budget])
    run = slopes([MEASURES['macs']])
    free = [u.name for u, a, b in zip(mutator.units, counted, run) if b and not a]
    if free:
        raise TargetError(
            f'the target of {budget} counts nothing of {len(free)} units, so nothing '
            f'would decide their widths: {", ".join(free[:4])}. Leave them whole with '
            'mutator.exclude or mutator.scope, or limit the whole network as well'
        )


def check_descending(budgets: Sequence[Budget]) -> None:
    """Raise unless each budget is below the one before it.

    A method that prunes on from one to the next never gives channels back.

    Raises:
        TargetError: Naming the two.
    """
    for before, after in itertools.pairwise(budgets):
        if before.values.keys() != after.values.keys():
            raise TargetError(
                f'target: {before}, then {after}: this method goes on from one to the '
                'next, so all must count the same'
            )
        rises = any(after.values[name] > before.values[name] for name in after.values)
        if rises or after.values == before.values:
            raise TargetError(
                f'target: {before}, then {after}: this method goes on from one to the '
                'next and gives no channel back, so each must be below the one before '
                'it. Order them from the largest to the smallest'
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
