"""What a network may cost: one target, or several that all hold."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..errors import TargetError, shown
from .measures import Measure
from .model import CostModel
from .parts import limits_of

#: A target as users write it.
Target = str | Real | Mapping[str, str | Real]
#: One of them, or several: a subnet for each.
Targets = Target | Sequence[Target]


@dataclass(frozen=True)
class Limit:
    """What one measure should come to.

    Attributes:
        measure: What is counted.
        value: The amount aimed at.
        full: The amount of the full network.
    """

    measure: Measure
    value: int
    full: int

    @property
    def ratio(self) -> float:
        """The target as a ratio of the full network."""
        return self.value / self.full

    def __str__(self) -> str:
        return f'{self.measure.format(self.value)} {self.measure.noun}'


class Budget:
    """The limits of a network's cost.

    All must hold. What a network *uses* of its budget is the largest ratio
    of cost to limit: 1 where it costs just what it may.

    Args:
        limits: One per measure.

    Example:
        >>> budget = Budget.parse(dict(params='50%'), dict(macs=100, params=80))
        >>> budget.values
        {'params': 40}
        >>> budget.used(dict(macs=30, params=44))
        1.1
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)

    @classmethod
    def parse(cls, target: Target | None, full: Mapping[str, int]) -> 'Budget':
        """Read a target.

        Args:
            target: ``'50%'``, ``'2.2G'`` or a number of multiply-accumulates;
                ``{word of a measure: such a target}`` for others, or several,
                which a command line can write ``'flops=60% params=50%'``. With
                ``scope`` the amounts are those of a part; ``parts`` lists
                further ones, ``dict(flops='50%', scope=['backbone'])``.
            full: Cost of the full network by the names of measures.

        Raises:
            TargetError: If it can't be read, is not positive, or is not
                below the full network.
        """
        limits: dict[str, Limit] = {}
        for measure, amount in limits_of(target):
            if measure.name in limits:
                raise TargetError(
                    f'target={shown(target)} has {measure.noun} twice; give one'
                )
            if measure.name not in full:
                raise TargetError(
                    f"target={shown(target)}: the network's {measure.noun} is not "
                    f'known: {measure.missing}'
                )
            whole = full[measure.name]
            limits[measure.name] = Limit(measure, measure.parse(amount, whole), whole)
        if not limits:
            raise TargetError(
                f"target={shown(target)} is empty: give one, such as dict(flops='50%')"
            )
        return cls(list(limits.values()))

    def __iter__(self) -> Iterator[Limit]:
        return iter(self.limits)

    def __len__(self) -> int:
        return len(self.limits)

    def __str__(self) -> str:
        return ' and '.join(map(str, self.limits))

    @property
    def values(self) -> dict[str, int]:
        """Amounts aimed at, by the measures' names."""
        return {limit.measure.name: limit.value for limit in self.limits}

    @property
    def ratios(self) -> dict[str, float]:
        """The same as ratios of the full network."""
        return {limit.measure.name: limit.ratio for limit in self.limits}

    @property
    def label(self) -> str:
        """For the names of files: ``'50PERCENT'``, ``'50PERCENT_PARAMS'``."""
        return '_'.join(
            f'{100 * limit.ratio:.3g}PERCENT{limit.measure.suffix}'
            for limit in self.limits
        )

    def used(self, cost: Mapping[str, float]) -> float:
        """The largest ratio of a cost to its limit."""
        return max(cost[limit.measure.name] / limit.value for limit in self.limits)

    def gap(self, cost: Mapping[str, float]) -> float:
        """How far a cost is from using the whole budget, as a ratio."""
        return abs(self.used(cost) - 1)

    def used_at(self, model: CostModel, widths: Tensor) -> Tensor:
        """:meth:`used` at any widths.

        Args:
            model: What the network costs.
            widths: Width of each unit, ``[..., units]``.

        Returns:
            Float64 tensor ``[...]``.
        """
        ratios = [
            limit.measure.value(model, widths) / limit.value for limit in self.limits
        ]
        return torch.stack(ratios).amax(0)


def parse_budgets(
    target: Targets | None, full: Mapping[str, int]
) -> tuple[Budget, ...]:
    """Read a target, or a list of them.

    Args:
        target: As :meth:`Budget.parse` takes it, or a list of such.
        full: Cost of the full network by the names of measures.

    Returns:
        A budget for each subnet that is wanted, in the order of the list.

    Raises:
        TargetError: If one can't be read, or two are the same.

    Example:
        >>> budgets = parse_budgets(['70%', '30%'], dict(macs=1000, params=80))
        >>> [budget.values['macs'] for budget in budgets]
        [700, 300]
    """
    targets: Any = target
    if not isinstance(target, (list, tuple)):
        targets = [target]
    elif not target:
        raise TargetError(
            "target=[] is empty: give one or more, such as ['70%', '50%']"
        )
    budgets = tuple(Budget.parse(one, full) for one in targets)
    for (i, one), (j, other) in itertools.combinations(enumerate(budgets), 2):
        if one.label == other.label:
            both = f'target={shown(targets[i])} and target={shown(targets[j])}'
            raise TargetError(
                f'{both} are the same budget, {one}: give each once'
                if one.values == other.values
                else f'{both} are too close to one another: the subnets of both would '
                f'be called {one.label}'
            )
    return budgets
