"""Which channels of a layer's dimension belong to which unit.

A *unit* is a set of layers that must keep the same channels. A dimension of
size N (a layer's inputs or outputs) is covered, from left to right, by
segments; each belongs to one unit, or to none and then never changes:

====================================  =====================================
after a convolution                   one segment
after a concatenation                 one segment a branch
input of a linear layer after a       one segment, ``expand`` = 49: every
7x7 flatten                           channel owns 49 neighbouring features
grouped convolution                   one segment a group, all of one unit
====================================  =====================================

Keeping k channels of a unit keeps the first ``k * expand`` entries of each
of its segments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Kept channels of a unit: the first k, or the sorted kept indices.
Selection = int | tuple[int, ...]
#: Half-open ranges ``(start, stop)``, ascending and apart.
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Segment:
    """Entries ``[start, stop)`` of a dimension.

    Attributes:
        start: First entry.
        stop: One past the last entry.
        unit: Index of the unit that owns them; None if they never change.
        expand: Neighbouring entries that one channel of the unit owns.
    """

    start: int
    stop: int
    unit: int | None = None
    expand: int = 1

    def ranges(self, selection: Selection) -> list[tuple[int, int]]:
        """Ranges of the dimension that a selection of the unit keeps."""
        if isinstance(selection, int):
            return [(self.start, self.start + selection * self.expand)]
        return [
            (self.start + i * self.expand, self.start + (i + 1) * self.expand)
            for i in selection
        ]


class Layout:
    """The segments of one dimension of one layer.

    Args:
        segments: Segments in ascending order that cover the dimension.

    Example:
        >>> layout = Layout([Segment(0, 4, unit=0), Segment(4, 10, unit=1)])
        >>> layout.ranges([2, 3])
        ((0, 2), (4, 7))
        >>> layout.count([2, 3])
        5
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = tuple(segments)
        self.size = self.segments[-1].stop
        self.units = tuple(
            dict.fromkeys(s.unit for s in self.segments if s.unit is not None)
        )

    @classmethod
    def fixed(cls, size: int) -> 'Layout':
        """A dimension that never changes."""
        return cls([Segment(0, size)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.segments == other.segments

    def __hash__(self) -> int:
        return hash(self.segments)

    def __repr__(self) -> str:
        return f'Layout({list(self.segments)})'

    def ranges(self, selections: Sequence[Selection]) -> Ranges:
        """Kept entries as merged ranges.

        Args:
            selections: One selection per unit, in the order of the units.
        """
        if len(self.segments) == 1 and self.units:
            (segment,) = self.segments  # by far the most of all layers
            selection = selections[self.units[0]]
            if isinstance(selection, int):
                return ((0, selection * segment.expand),)
        merged: list[tuple[int, int]] = []
        for segment in self.segments:
            if segment.unit is None:
                pieces = [(segment.start, segment.stop)]
            else:
                pieces = segment.ranges(selections[segment.unit])
            for start, stop in pieces:
                if merged and merged[-1][1] == start:
                    merged[-1] = (merged[-1][0], stop)
                else:
                    merged.append((start, stop))
        return tuple(merged)

    def indices(self, selections: Sequence[Selection]) -> tuple[int, ...]:
        """Kept entries, one by one."""
        return tuple(
            i for start, stop in self.ranges(selections) for i in range(start, stop)
        )

    def count(self, selections: Sequence[Selection]) -> int:
        """Number of kept entries."""
        return sum(stop - start for start, stop in self.ranges(selections))

    def linear(self, num_units: int) -> tuple[Tensor, float]:
        """Kept entries as a linear function of the units' widths.

        Returns:
            Coefficients ``[num_units]`` (float64) and a constant, such that
            ``count == coefficients @ widths + constant``.
        """
        coefficients = torch.zeros(num_units, dtype=torch.float64)
        constant = 0.0
        for s in self.segments:
            if s.unit is None:
                constant += s.stop - s.start
            else:
                coefficients[s.unit] += s.expand
        return coefficients, constant

    def spread(self, values: Sequence[Tensor]) -> Tensor:
        """One value a channel to one value an entry.

        Args:
            values: One tensor ``[channels]`` per unit.

        Returns:
            Tensor ``[size]``; 1 where no unit owns the entry.
        """
        pieces = []
        for s in self.segments:
            if s.unit is None:
                pieces.append(values[0].new_ones(s.stop - s.start))
            elif s.expand == 1:
                pieces.append(values[s.unit])
            else:
                pieces.append(values[s.unit].repeat_interleave(s.expand))
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)
