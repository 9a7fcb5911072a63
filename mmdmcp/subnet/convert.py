"""mmrazor's subnet files: read into widths, and written from a subnet.

mmrazor 1.0 knows one file by several shapes, all JSON and all with units
named ``<layer>_(<first>, <end>)_<channels>``:

* a mutator, ``{"channel_unit_cfg": {"units": {NAME: {"choice": 52}}}}``,
  as ``DMCP_R50_2G.json`` is;
* its units alone, ``{NAME: {"init_args": {...}, "choice": 52}}``;
* a ``fix_subnet``, ``{NAME: 52}``, or ``{NAME: {"chosen": 52}}``.

A choice is a number of channels or, where it has a decimal point, a share
of them. The file does not say which layers belong to a unit; a traced model
does, so reading goes by way of one.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SubnetError
from .checks import MAX_WIDTH, named, short, whole_number
from .files import MAX_BYTES, write_atomically
from .schema import Subnet

_NAME = re.compile(r'(.+)_\((\d{1,9}), ?(\d{1,9})\)_(\d{1,9})')
# Brackets, and strings as a whole: brackets inside are text.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)
_MAX_DEPTH = 16


@dataclass(frozen=True)
class RazorUnit:
    """One unit of an mmrazor file.

    Attributes:
        layer: Name of the layer that the unit is called after.
        start: First of that layer's outputs that belongs to the unit.
        of: Channels of the unit in the full network.
        channels: Channels kept. More than ``of`` where the search ran on a
            network of larger width than the file says.
    """

    layer: str
    start: int
    of: int
    channels: int


def read_mmrazor(path: str | os.PathLike) -> dict[str, RazorUnit]:
    """Read a file of mmrazor, in any of its shapes.

    Raises:
        SubnetError: If the file is missing, damaged or something else.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f'larger than {MAX_BYTES >> 20} MiB')
        content = _parse_json(data.decode('utf-8-sig'))
    except (OSError, ValueError) as error:
        raise SubnetError(f'{path}: not a JSON file of mmrazor ({error})') from None
    try:
        return parse_mmrazor(content)
    except SubnetError as error:
        raise SubnetError(f'{path}: {error}') from None


def _parse_json(text: str) -> Any:
    """``json.loads`` of text that isn't nested deeply.

    Python's parser recurses, and where a library has raised the recursion
    limit (tracers do) a deeply nested text ends the process.
    """
    depth = 0
    for token in _BRACKETS.findall(text):
        depth += (token in ('[', '{')) - (token in (']', '}'))
        if depth > _MAX_DEPTH:
            raise ValueError('nested too deeply')
    return json.loads(text)


def parse_mmrazor(content: Any) -> dict[str, RazorUnit]:
    """Units of a file's content, by mmrazor's names for them."""
    for key in ('channel_unit_cfg', 'units'):
        if isinstance(content, dict) and key in content:
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise SubnetError(
            'holds no units of mmrazor; they are called like '
            "'backbone.conv1_(0, 64)_64' and have a choice"
        )
    return {name: _unit(name, value) for name, value in content.items()}


def _unit(name: str, value: Any) -> RazorUnit:
    match = _NAME.fullmatch(name)
    if match is None:
        raise SubnetError(
            f"{short(name)} is not a unit's name; mmrazor "
            "writes 'backbone.conv1_(0, 64)_64'"
        )
    of = named(short(name), whole_number, 'channels', int(match[4]))
    options: Any = {}
    if isinstance(value, dict):
        options = value.get('init_args', options)
        value = value.get('choice', value.get('chosen'))
    if not isinstance(options, dict):
        raise SubnetError(
            f'{short(name)}: init_args must be a mapping, not {short(options)}'
        )
    return RazorUnit(
        match[1], int(match[2]), of, _channels(short(name), value, of, options)
    )


def _channels(name: str, choice: Any, of: int, options: dict) -> int:
    """Channels that mmrazor makes of a choice."""
    if isinstance(choice, float) and 0 < choice <= MAX_WIDTH:
        choice = max(1, int(of * choice))
    channels = named(name, whole_number, 'choice', choice)
    divisor, least = (
        named(name, whole_number, key, options.get(key, 1))
        for key in ('divisor', 'min_value')
    )
    if divisor == 1 and least == 1:
        return channels
    # To the nearest multiple, but not below a share of what was asked for:
    # the rule that MobileNets came with.
    least = max(least, divisor)
    rounded = max(least, (channels + divisor // 2) // divisor * divisor)
    share = options.get('min_ratio', 0.9)
    if not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise SubnetError(f'{name}: min_ratio: {short(share)} is not from 0 to 1')
    return rounded + divisor if rounded < share * channels else rounded


def from_mmrazor(units: dict[str, RazorUnit], supernet) -> Subnet:
    """A subnet from mmrazor's units and a trace of the full model.

    Args:
        units (dict[str, RazorUnit]): From :func:`read_mmrazor`.
        supernet (mmdmcp.supernet.Supernet): The full model, traced. Units that
            the file does not name stay at full width.

    Raises:
        SubnetError: If the units are not the model's, or wider.
    """
    layouts = {layer.name: layer.out_layout for layer in supernet.layers}
    widths = list(supernet.full)
    source: dict[int, str] = {}
    # Files of a search on a widened network name its units by the nominal
    # width; some of their choices are above it.
    widened = any(unit.channels > unit.of for unit in units.values())
    _check_width(units, layouts, supernet.full)
    for name, unit in units.items():
        index = _find(layouts, unit)
        if index is None:
            # mmrazor also lists what can't be pruned, at full width.
            if unit.channels == unit.of:
                continue
            raise SubnetError(
                f'{name}: the model has no layer {unit.layer!r} whose outputs '
                f'from {unit.start} on can be pruned; is it the model that '
                'was searched?'
            )
        full = supernet.full[index]
        if full != unit.of and not widened:
            raise SubnetError(
                f'{name}: {unit.of} channels, but the model has '
                f'{full}; is it the model that was searched?'
            )
        if index in source and widths[index] != unit.channels:
            raise SubnetError(
                f'{name} keeps {unit.channels} channels, but {source[index]}, '
                f'tied to it in this model, keeps {widths[index]}'
            )
        widths[index], source[index] = unit.channels, name
    return supernet.subnet(widths, 'dmcp')


def _find(layouts: dict, unit: RazorUnit) -> int | None:
    """Index of the unit that owns the layer's outputs there, or None."""
    layout = layouts.get(unit.layer)
    for segment in layout.segments if layout else ():
        if segment.start <= unit.start < segment.stop:
            return segment.unit
    return None


def _check_width(
    units: dict[str, RazorUnit], layouts: dict, full: Sequence[int]
) -> None:
    """Widths above the model's mean that a wider one was searched."""
    wide = {}
    for name, unit in units.items():
        index = _find(layouts, unit)
        if index is not None and unit.channels > full[index]:
            wide[name] = unit, full[index]
    if not wide:
        return
    name, (unit, there) = max(
        wide.items(), key=lambda item: item[1][0].channels / item[1][1]
    )
    raise SubnetError(
        f'{name} keeps {unit.channels} channels, more than the {there} of the '
        'model: the search ran on a network at least '
        f'{unit.channels / there:.4g} times as wide ({len(wide)} of '
        f'{len(units)} units are too wide). Give the config of that one, '
        'with a widen_factor of 1.5, say'
    )


def to_mmrazor(subnet: Subnet) -> dict[str, Any]:
    """The mutator config that mmrazor's ``sub_model`` takes.

    Raises:
        SubnetError: If the subnet keeps other channels than the first ones,
            which mmrazor's file can't say.
    """
    units = {}
    for name, unit in subnet.units.items():
        if unit.kept is not None:
            raise SubnetError(
                f'{name}: keeps chosen channels, not the first '
                f"{unit.channels}; mmrazor's file can't say which"
            )
        units[f'{name}_(0, {unit.of})_{unit.of}'] = dict(
            init_args=dict(
                num_channels=unit.of,
                choice_mode='number',
                divisor=1,
                min_value=1,
                min_ratio=0.5,
            ),
            choice=unit.channels,
        )
    return dict(
        type='DMCPChannelMutator',
        channel_unit_cfg=dict(
            type='DMCPChannelUnit', default_args=dict(choice_mode='number'), units=units
        ),
        parse_cfg=dict(
            type='ChannelAnalyzer',
            demo_input=[1, *subnet.cost['input_shape']],
            tracer_type='BackwardTracer',
        ),
    )


def write_mmrazor(subnet: Subnet, path: str | os.PathLike) -> None:
    """Write :func:`to_mmrazor` to a JSON file, whole or not at all."""
    write_atomically(Path(path), json.dumps(to_mmrazor(subnet), indent=4))
