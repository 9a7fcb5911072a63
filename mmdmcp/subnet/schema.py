"""Format 1 of the subnet file: what it may say, and what it must."""

import os
import re
from dataclasses import dataclass
from typing import Any

from ..errors import SubnetError
from .checks import MAX_KEPT, checked_cost, checked_target, mapping, short
from .files import Row, format_yaml, path_words, read_yaml, write_atomically
from .rows import (
    LayerWidth,
    UnitWidth,
    checked_rows,
    freeze,
    layer_row,
    read_layer,
    read_unit,
    unit_row,
)

FORMAT = 1
_METHOD = re.compile(r'[a-z][a-z0-9_]{0,31}')


@dataclass(frozen=True)
class Subnet:
    """A pruned architecture: the content of a ``DMCP_SUBNET*.yaml``.

    Args:
        method (str): What found it, such as ``'dmcp'`` or ``'gate'``.
        units (dict[str, UnitWidth]): By name of the unit's first layer.
        layers (dict[str, LayerWidth]): Every layer whose shape changes.
        cost (dict): ``macs``, ``params`` (of the whole pruned model) and
            ``input_shape``, the size that the MACs are counted at; also
            ``latency_us`` where a profile predicted it.
        target (dict, optional): What was asked for, by the names of measures
            such as ``macs`` and ``params``.

    Raises:
        SubnetError: If anything is missing, unknown or out of range.

    Example:
        >>> subnet = Subnet.load('DMCP_SUBNET_IMAGENET.yaml')
        >>> subnet.units['backbone.layer1.0.conv1'].channels
        22
    """

    method: str
    units: dict[str, UnitWidth]
    layers: dict[str, LayerWidth]
    cost: dict[str, Any]
    target: dict[str, int] | None = None

    def __post_init__(self):
        if not isinstance(self.method, str) or not _METHOD.fullmatch(self.method):
            raise SubnetError(
                f'method: {short(self.method)} is no name of a method; write one '
                'such as dmcp, in up to 32 lower-case letters and digits'
            )
        freeze(
            self,
            units=checked_rows('units', self.units, UnitWidth),
            layers=checked_rows('layers', self.layers, LayerWidth),
            cost=checked_cost(self.cost),
            target=None if self.target is None else checked_target(self.target),
        )
        if not self.units:
            raise SubnetError('units: none; a subnet has at least one')
        _check_units_have_layers(self.units, self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, ints and strings, in the order of the file."""
        data = dict(format=FORMAT, method=self.method, cost=Row(self.cost))
        if self.target is not None:
            data['target'] = Row(self.target)
        data['units'] = {name: unit_row(unit) for name, unit in self.units.items()}
        data['layers'] = {name: layer_row(layer) for name, layer in self.layers.items()}
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> 'Subnet':
        """The opposite of :meth:`to_dict`."""
        data = mapping(
            'the file',
            data,
            ('format', 'method', 'cost', 'units', 'layers'),
            ('target',),
        )
        if data['format'] != FORMAT or isinstance(data['format'], bool):
            raise SubnetError(
                f'format: {short(data["format"])}; this version of mmdmcp '
                f'reads format {FORMAT}'
            )
        left = [MAX_KEPT]
        units = {
            name: read_unit(name, row, left)
            for name, row in mapping('units', data['units']).items()
        }
        layers = {
            name: read_layer(name, row, left)
            for name, row in mapping('layers', data['layers']).items()
        }
        return cls(data['method'], units, layers, data['cost'], data.get('target'))

    def save(self, path: str | os.PathLike) -> None:
        """Write the file, all of it or none of it."""
        write_atomically(path, format_yaml(self.to_dict()))

    @classmethod
    def load(cls, path: str | os.PathLike) -> 'Subnet':
        """Read a file.

        Raises:
            SubnetError: If it is missing or damaged; the message names the
                file, the key and the remedy.
        """
        try:
            return cls.from_dict(read_yaml(path))
        except SubnetError as error:
            raise SubnetError(f'{path_words(path)}: {error}') from None


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
                'file must list every layer whose shape changes'
            )
        if row.out < unit.channels:
            raise SubnetError(
                f'layers, {short(name)}: out: {row.out} is less than the '
                f'{unit.channels} channels that units keeps'
            )
