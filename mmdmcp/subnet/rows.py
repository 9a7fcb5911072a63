"""Rows of the subnet file: one unit's width, one layer's sizes."""

from dataclasses import dataclass
from typing import Any

from ..errors import SubnetError
from .checks import (
    MAX_KEPT,
    MAX_WIDTH,
    Kept,
    kept_indices,
    mapping,
    named,
    short,
    whole_number,
)
from .files import Row
from .ranges import format_ranges, parse_ranges


@dataclass(frozen=True)
class UnitWidth:
    """How many channels of a unit stay.

    Args:
        channels (int): Channels kept, 1 to ``of``.
        of (int): Channels of the full unit.
        kept (tuple[int], optional): Which ones, increasing. Defaults to
            None: the first ``channels``.

    Raises:
        SubnetError: For anything else.
    """

    channels: int
    of: int
    kept: Kept = None

    def __post_init__(self):
        of = whole_number('of', self.of)
        channels = whole_number('channels', self.channels, high=of)
        freeze(
            self,
            of=of,
            channels=channels,
            kept=kept_indices('kept', self.kept, channels, of),
        )


@dataclass(frozen=True)
class LayerWidth:
    """What is left of one layer. None: that side keeps its size.

    Args:
        in_ (int, optional): Input channels or features.
        out (int, optional): Output channels or features; for a norm or a
            bare parameter its only size.
        groups (int, optional): Groups of a convolution, where they change.
        in_kept (tuple[int], optional): Which inputs stay, increasing.
            Defaults to None: the first ``in_``.
        out_kept (tuple[int], optional): The same for outputs.

    Raises:
        SubnetError: For anything else.
    """

    in_: int | None = None
    out: int | None = None
    groups: int | None = None
    in_kept: Kept = None
    out_kept: Kept = None

    def __post_init__(self):
        sizes = {}
        for key, name in (('in_', 'in'), ('out', 'out'), ('groups', 'groups')):
            value = getattr(self, key)
            sizes[key] = None if value is None else whole_number(name, value)
        if sizes['in_'] is None and sizes['out'] is None:
            raise SubnetError('needs in or out, the sizes after pruning')
        for key in ('in_', 'out'):
            if sizes['groups'] and (sizes[key] or 0) % sizes['groups']:
                raise SubnetError(
                    f"{key.strip('_')}: {sizes[key]} can't be divided into "
                    f'{sizes["groups"]} groups'
                )
        freeze(
            self,
            **sizes,
            in_kept=kept_indices('in_kept', self.in_kept, sizes['in_']),
            out_kept=kept_indices('out_kept', self.out_kept, sizes['out']),
        )


def read_unit(name: str, row: Any, left: list) -> UnitWidth:
    """A row of ``units``; ``left[0]`` more kept indices fit into the file.

    Raises:
        SubnetError: Naming the row.
    """
    where = f'units, {short(name)}'
    row = mapping(where, row, ('channels', 'of'), ('kept',))
    return named(
        where,
        UnitWidth,
        row['channels'],
        row['of'],
        _ranges(where, row, 'kept', 'channels', left),
    )


def read_layer(name: str, row: Any, left: list) -> LayerWidth:
    """A row of ``layers``, as :func:`read_unit` reads one of ``units``."""
    where = f'layers, {short(name)}'
    row = mapping(where, row, (), ('in', 'out', 'groups', 'in_kept', 'out_kept'))
    return named(
        where,
        LayerWidth,
        row.get('in'),
        row.get('out'),
        row.get('groups'),
        _ranges(where, row, 'in_kept', 'in', left),
        _ranges(where, row, 'out_kept', 'out', left),
    )


def _ranges(where: str, row: dict, key: str, size: str, left: list) -> Kept:
    """The kept indices under ``key``."""
    if key not in row:
        return None
    text, count = row[key], row.get(size)
    if not isinstance(text, str):
        raise SubnetError(
            f'{where}: {key} must be ranges in quotes such as '
            f"'0-51 64-89 93', not {short(text)}"
        )
    if type(count) is not int or not 1 <= count <= MAX_WIDTH:
        raise SubnetError(
            f'{where}: {key} needs {size}, the number of '
            f'indices, from 1 to {MAX_WIDTH}; it is '
            f'{short(count)}'
        )
    if count > left[0]:
        raise SubnetError(
            f'{where}: {key}: more than {MAX_KEPT} kept '
            'indices in one file; no network is that wide'
        )
    left[0] -= count
    return named(f'{where}: {key}', parse_ranges, text, count)


def unit_row(unit: UnitWidth) -> Row:
    """The opposite of :func:`read_unit`."""
    return _row(channels=unit.channels, of=unit.of, kept=unit.kept)


def layer_row(layer: LayerWidth) -> Row:
    """The opposite of :func:`read_layer`."""
    return _row(
        **{
            'in': layer.in_,
            'out': layer.out,
            'groups': layer.groups,
            'in_kept': layer.in_kept,
            'out_kept': layer.out_kept,
        }
    )


def _row(**row) -> Row:
    """Without what is None, and with kept indices as text."""
    return Row(
        {
            key: format_ranges(value) if isinstance(value, tuple) else value
            for key, value in row.items()
            if value is not None
        }
    )


def checked_rows(where: str, rows: Any, kind: type) -> dict:
    """A copy of rows that were made in Python, all of one kind.

    Raises:
        SubnetError: Naming one that is not.
    """
    rows = dict(mapping(where, rows))
    for name, row in rows.items():
        if not isinstance(row, kind):
            raise SubnetError(
                f'{where}, {short(name)}: must be a {kind.__name__}, not {short(row)}'
            )
    return rows


def freeze(instance: Any, **values: Any) -> None:
    """Set attributes of a frozen dataclass that is being made."""
    for key, value in values.items():
        object.__setattr__(instance, key, value)
