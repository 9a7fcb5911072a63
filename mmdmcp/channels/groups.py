"""Which layers must keep the same channels: groups and layouts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..errors import TraceError, failure
from ..layers import known_kind
from ..ops import Layout, Segment
from .classes import FIXED, NONE
from .follow import Follower

#: Layouts of a layer's inputs and outputs.
InOut = tuple[Layout, Layout]


@dataclass
class Trace:
    """What one pass through the model showed.

    Attributes:
        sizes: Channels of each group of tied layers.
        layouts: Layouts of every layer that was met; a segment's unit is an
            index into ``sizes``. A bare parameter has the same on both.
        slid: Layouts of the channels that layers slide over, which have no
            channels of their own (ECA).
        fixed: Groups that must stay whole, which are not in ``sizes``: the
            first layer of each, and the reason.
        mixed: Of some groups, where their channels are mixed in such a way
            that one of zeros is not the same as none.
        ties: Of each group, what joined channels of its last.
    """

    sizes: list[int]
    layouts: dict[str, InOut]
    slid: dict[str, Layout]
    fixed: list[tuple[str, str]]
    mixed: dict[int, str] = field(default_factory=dict)
    ties: dict[int, str] = field(default_factory=dict)


def analyze(
    model: nn.Module,
    input_shape: tuple[int, ...],
    run: Callable[[], object],
    kept: Callable[[], list[Tensor]] = list,
) -> Trace:
    """Group the channels of a model.

    Args:
        model: The model, on the CPU and in eval mode.
        input_shape: Shape of one sample, for messages.
        run: Runs one sample.
        kept: What its modules keep of the last run.

    Raises:
        TraceError: If the model does not run.
    """
    follower = Follower(model)
    try:
        follower.follow(run, kept)
    except Exception as error:
        raise TraceError(
            f'{type(model).__name__} does not run with an input of shape '
            f'{tuple(input_shape)}: {_reason(error)}. Check that '
            '`input_shape` is what the model takes'
        ) from error
    return _Grouping(model, follower).trace()


class _Grouping:
    """From classes of channels to groups of channels.

    Channels that are made by exactly the same layers form a group.
    """

    def __init__(self, model: nn.Module, follower: Follower) -> None:
        find = follower.classes.find
        #: Class of each input and of each output of every layer.
        self.rows = {
            name: tuple(
                find(side[name]).tolist()
                for side in (follower.inputs, follower.outputs)
                if name in side
            )
            for name in follower.outputs
        }
        #: Class of each channel that a layer slides over.
        self.slid = {name: (find(x).tolist(),) for name, x in follower.slid.items()}
        self.fixed = follower.classes.fixed_classes()
        self.mixed = follower.classes.mixed_classes()
        self.ties = follower.classes.ties
        self.producers = [
            name
            for name, module in model.named_modules()
            if name in self.rows and known_kind(module).makes_channels
        ]

    def trace(self) -> Trace:
        """Groups, their layouts, and layers that must stay whole."""
        makers = self._groups()
        fixed = [(names[0], reason) for names, reason in makers if reason is not None]
        makers = {key[0]: numbers for key, numbers in makers.items() if key[1] is None}
        while True:
            groups = list(makers.values())
            place = {
                number: i for i, numbers in enumerate(groups) for number in numbers
            }
            failed: dict[int, str] = {}
            layouts, slid = (
                {
                    name: _layouts(name, x, groups, place, failed)
                    for name, x in y.items()
                }
                for y in (self.rows, self.slid)
            )
            if not failed:
                mixed, ties = (
                    {place[n]: where for n, where in notes.items() if n in place}
                    for notes in (self.mixed, self.ties)
                )
                return Trace(
                    [len(numbers) for numbers in groups],
                    {name: (found[0], found[-1]) for name, found in layouts.items()},
                    {name: found[0] for name, found in slid.items()},
                    fixed,
                    mixed,
                    ties,
                )
            names = list(makers)
            for group, reason in failed.items():
                fixed.append((names[group][0], reason))
                del makers[names[group]]

    def _groups(self) -> dict[tuple, list[int]]:
        """Classes in order, by the layers that make them and the reason
        that fixes them."""
        makers: dict[int, tuple[str, ...]] = {}
        for name in self.producers:
            for number in dict.fromkeys(self.rows[name][1]):
                if number not in (NONE, FIXED):
                    makers[number] = makers.get(number, ()) + (name,)
        groups: dict[tuple, list[int]] = {}
        for number, names in makers.items():
            key = (names, self.fixed.get(number))
            groups.setdefault(key, []).append(number)
        return groups


def _layouts(
    name: str,
    rows: tuple[list[int], ...],
    groups: list[list[int]],
    place: dict[int, int],
    failed: dict[int, str],
) -> list[Any]:
    """Layouts of a layer's rows; groups that have none are noted as failed."""
    layouts = [_layout(row, groups, place) for row in rows]
    for layout in layouts:
        if isinstance(layout, int):
            failed[layout] = f'its channels reach {name} in another order'
    return layouts


def _layout(
    row: list[int], groups: list[list[int]], place: dict[int, int]
) -> Layout | int:
    """Cover a row of classes with segments.

    Returns:
        The layout, or the group whose channels are not in order.
    """
    segments: list[Segment] = []
    start = 0
    while start < len(row):
        if row[start] not in place:
            stop = start + 1
            while stop < len(row) and row[stop] not in place:
                stop += 1
            segments.append(Segment(start, stop))
            start = stop
            continue
        group = place[row[start]]
        expand = 1
        while start + expand < len(row) and row[start + expand] == row[start]:
            expand += 1
        wanted = [n for n in groups[group] for _ in range(expand)]
        stop = start + len(wanted)
        if row[start:stop] != wanted:
            return group
        segments.append(Segment(start, stop, group, expand))
        start = stop
    return Layout(segments)


def _reason(error: BaseException) -> str:
    name = type(error).__name__
    return f'{name}: {failure(error)}' if str(error).strip() else name
