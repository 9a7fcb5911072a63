"""What a network may cost: one target, or several that all hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from ..errors import TargetError
from .measures import Measure, find_measure
from .model import CostModel

#: A target as users write it.
Target = str | Real | Mapping[str, str | Real]


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
                which a command line can write ``'flops=60% params=50%'``.
            full: Cost of the full network by the names of measures.

        Raises:
            TargetError: If it can't be read, is not positive, or is not
                below the full network.
        """
        parts = target.split() if isinstance(target, str) else []
        if parts and all('=' in part for part in parts):
            target = dict(part.split('=', 1) for part in parts)
        wanted: Mapping = target if isinstance(target, Mapping) else {'flops': target}
        if not wanted:
            raise TargetError("target={} is empty: give one, such as dict(flops='50%')")
        limits = {}
        for word, amount in wanted.items():
            measure = find_measure(word)
            if measure.name in limits:
                raise TargetError(
                    f'target={dict(wanted)!r} has {measure.noun} twice; give one'
                )
            whole = full[measure.name]
            limits[measure.name] = Limit(measure, measure.parse(amount, whole), whole)
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
