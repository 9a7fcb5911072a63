"""Format 1 of the subnet file: what it may say, and what it must."""
import os
from dataclasses import dataclass
from typing import Any, Dict, Optional, Union

from ..errors import SubnetError
from .checks import (MAX_KEPT, MAX_WIDTH, Kept, checked_cost, checked_target,
                     kept_indices, mapping, named, short, whole_number)
from .files import Row, format_yaml, read_yaml, write_atomically
from .ranges import format_ranges, parse_ranges

FORMAT = 1
METHODS = ('dmcp', 'gate')


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
        _freeze(
            self,
            of=of,
            channels=channels,
            kept=kept_indices('kept', self.kept, channels, of))


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
    in_: Optional[int] = None
    out: Optional[int] = None
    groups: Optional[int] = None
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
                    f'{key.strip("_")}: {sizes[key]} can\'t be divided into '
                    f'{sizes["groups"]} groups')
        _freeze(
            self,
            **sizes,
            in_kept=kept_indices('in_kept', self.in_kept, sizes['in_']),
            out_kept=kept_indices('out_kept', self.out_kept, sizes['out']))


@dataclass(frozen=True)
class Subnet:
    """A pruned architecture: the content of a ``DMCP_SUBNET*.yaml``.

    Args:
        method (str): What found it, ``'dmcp'`` or ``'gate'``.
        units (dict[str, UnitWidth]): By name of the unit's first layer.
        layers (dict[str, LayerWidth]): Every layer whose shape changes.
        cost (dict): ``macs``, ``params`` (of the whole pruned model) and
            ``input_shape``, the size that the MACs are counted at.
        target (dict, optional): ``macs`` and/or ``params`` asked for.

    Raises:
        SubnetError: If anything is missing, unknown or out of range.

    Example:
        >>> subnet = Subnet.load('DMCP_SUBNET_IMAGENET.yaml')
        >>> subnet.units['backbone.layer1.0.conv1'].channels
        22
    """
    method: str
    units: Dict[str, UnitWidth]
    layers: Dict[str, LayerWidth]
    cost: Dict[str, Any]
    target: Optional[Dict[str, int]] = None

    def __post_init__(self):
        if not isinstance(self.method, str) or self.method not in METHODS:
            raise SubnetError(f'method: {short(self.method)} is no method; '
                              f'write one of {", ".join(METHODS)}')
        _freeze(
            self,
            units=_rows('units', self.units, UnitWidth),
            layers=_rows('layers', self.layers, LayerWidth),
            cost=checked_cost(self.cost),
            target=None
            if self.target is None else checked_target(self.target))
        if not self.units:
            raise SubnetError('units: none; a subnet has at least one')
        _check_units_have_layers(self.units, self.layers)

    def to_dict(self) -> Dict[str, Any]:
        """Plain dicts, ints and strings, in the order of the file."""
        data = dict(format=FORMAT, method=self.method, cost=Row(self.cost))
        if self.target is not None:
            data['target'] = Row(self.target)
        data['units'] = {
            name:
            _drop_none(channels=unit.channels, of=unit.of, kept=unit.kept)
            for name, unit in self.units.items()
        }
        data['layers'] = {
            name:
            _drop_none(
                **{
                    'in': row.in_,
                    'out': row.out,
                    'groups': row.groups,
                    'in_kept': row.in_kept,
                    'out_kept': row.out_kept
                })
            for name, row in self.layers.items()
        }
        return data

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> 'Subnet':
        """The opposite of :meth:`to_dict`."""
        data = mapping('the file', data,
                       ('format', 'method', 'cost', 'units', 'layers'),
                       ('target', ))
        if data['format'] != FORMAT or isinstance(data['format'], bool):
            raise SubnetError(
                f'format: {short(data["format"])}; this version of mmdmcp '
                f'reads format {FORMAT}')
        left = [MAX_KEPT]
        units = {
            name: _unit(name, row, left)
            for name, row in mapping('units', data['units']).items()
        }
        layers = {
            name: _layer(name, row, left)
            for name, row in mapping('layers', data['layers']).items()
        }
        return cls(data['method'], units, layers, data['cost'],
                   data.get('target'))

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Write the file, all of it or none of it."""
        write_atomically(path, format_yaml(self.to_dict()))

    @classmethod
    def load(cls, path: Union[str, os.PathLike]) -> 'Subnet':
        """Read a file.

        Raises:
            SubnetError: If it is missing or damaged; the message names the
                file, the key and the remedy.
        """
        try:
            return cls.from_dict(read_yaml(path))
        except SubnetError as error:
            raise SubnetError(f'{path}: {error}') from None


def _unit(name: str, row: Any, left: list) -> UnitWidth:
    where = f'units, {short(name)}'
    row = mapping(where, row, ('channels', 'of'), ('kept', ))
    return named(where, UnitWidth, row['channels'], row['of'],
                 _ranges(where, row, 'kept', 'channels', left))


def _layer(name: str, row: Any, left: list) -> LayerWidth:
    where = f'layers, {short(name)}'
    row = mapping(where, row, (),
                  ('in', 'out', 'groups', 'in_kept', 'out_kept'))
    return named(where, LayerWidth, row.get('in'), row.get('out'),
                 row.get('groups'), _ranges(where, row, 'in_kept', 'in', left),
                 _ranges(where, row, 'out_kept', 'out', left))


def _ranges(where: str, row: dict, key: str, size: str, left: list) -> Kept:
    """The kept indices under ``key``; ``left[0]`` more fit into a file."""
    if key not in row:
        return None
    text, count = row[key], row.get(size)
    if not isinstance(text, str):
        raise SubnetError(f'{where}: {key} must be ranges in quotes such as '
                          f"'0-51 64-89 93', not {short(text)}")
    if type(count) is not int or not 1 <= count <= MAX_WIDTH:
        raise SubnetError(f'{where}: {key} needs {size}, the number of '
                          f'indices, from 1 to {MAX_WIDTH}; it is '
                          f'{short(count)}')
    if count > left[0]:
        raise SubnetError(f'{where}: {key}: more than {MAX_KEPT} kept '
                          'indices in one file; no network is that wide')
    left[0] -= count
    return named(f'{where}: {key}', parse_ranges, text, count)


def _rows(where: str, rows: Any, kind: type) -> dict:
    rows = dict(mapping(where, rows))
    for name, row in rows.items():
        if not isinstance(row, kind):
            raise SubnetError(f'{where}, {short(name)}: must be a '
                              f'{kind.__name__}, not {short(row)}')
    return rows


def _check_units_have_layers(units: dict, layers: dict) -> None:
    """A unit that was pruned names a layer that got smaller with it."""
    for name, unit in units.items():
        if unit.channels == unit.of:
            continue
        row = layers.get(name)
        if row is None or row.out is None:
            raise SubnetError(
                f'layers: {short(name)} is missing (or has no out), but '
                f'units keeps {unit.channels} of its {unit.of} channels; a '
                'file must list every layer whose shape changes')
        if row.out < unit.channels:
            raise SubnetError(
                f'layers, {short(name)}: out: {row.out} is less than the '
                f'{unit.channels} channels that units keeps')


def _drop_none(**row) -> Row:
    """A row of the file, with kept indices as text."""
    return Row({
        key: format_ranges(value) if isinstance(value, tuple) else value
        for key, value in row.items() if value is not None
    })


def _freeze(instance, **values) -> None:
    for key, value in values.items():
        object.__setattr__(instance, key, value)
