"""How far a search is, in a few numbers."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .record import BudgetRecord, SearchRecord


@dataclass(frozen=True)
class Progress:
    """Where the chains or gates are, beside where they began.

    Attributes:
        cost: Expected cost of each measure.
        moved: How far expected widths are from the start, as a ratio of the
            full width, averaged over the units.
        furthest: Name, expected width and full width of the unit that moved
            most; None if none did.
        entropy: Of the widths' distribution, averaged over the units: 1 if
            all widths are equally likely, 0 if one is certain. None without
            chains.
        widths: Expected width of each unit as a ratio of the full width.
    """

    cost: dict[str, float]
    moved: float
    furthest: tuple[str, float, int] | None
    entropy: float | None
    widths: dict[str, float]

    def scalars(self, tag: str = '') -> dict[str, float]:
        """Curves: ``search/moved``, ``search/entropy``, ``width/<unit>``.

        Args:
            tag: Of several budgets, which: ``search/<tag>/moved``.
        """
        search, width = (f'{group}/{tag}'.rstrip('/') for group in ('search', 'width'))
        found = {f'{search}/moved': self.moved}
        if self.entropy is not None:
            found[f'{search}/entropy'] = self.entropy
        return {**found, **{f'{width}/{k}': v for k, v in self.widths.items()}}


def progress(record: SearchRecord, budget: BudgetRecord) -> Progress:
    """Compare the last moment of a budget's history with the first."""
    first, last = budget.history[0], budget.history[-1]
    moves = [
        abs(now - then) / unit.of
        for now, then, unit in zip(last.widths, first.widths, record.units)
    ]
    most = max(range(len(moves)), key=moves.__getitem__)
    unit = record.units[most]
    return Progress(
        last.cost,
        sum(moves) / len(moves),
        (unit.name, last.widths[most], unit.of) if moves[most] else None,
        _mean_entropy(last.marginals),
        {u.name: width / u.of for u, width in zip(record.units, last.widths)},
    )


def _mean_entropy(marginals: Sequence[Sequence[float]]) -> float | None:
    found = [entropy(row) for row in marginals if row]
    return sum(found) / len(found) if found else None


def entropy(marginals: Sequence[float]) -> float:
    """Entropy of a unit's width, as a ratio of the largest possible.

    Args:
        marginals: P(group kept) of its groups, falling.

    Example:
        >>> entropy([2 / 3, 1 / 3]), entropy([1.0, 0.0])
        (1.0, 0.0)
    """
    edges = [1.0, *marginals, 0.0]
    shares = [left - right for left, right in itertools.pairwise(edges)]
    bits = -sum(p * math.log(p) for p in shares if p > 0)
    return round(abs(bits) / math.log(len(shares)), 12)
