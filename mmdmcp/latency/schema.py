"""A latency profile as plain values: whole numbers, words, lists.

Ratios are written in thousandths: the reader of subnet files, which reads
these too, takes no fractions.
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from ..errors import SubnetError
from ..subnet.checks import mapping, short, whole_number
from ..subnet.files import Line, Row
from .profile import BlockTimes, Conditions, NetworkTime, Profile, Rest

FORMAT = 1
_OPTIONAL = ('networks', 'rest', 'multiples')
RUNTIMES = ('pytorch', 'onnxruntime')
_MAX_NS = 1 << 50


def _thousandths(ratio: float) -> int:
    return round(1000 * ratio)


def to_dict(profile: Profile) -> dict[str, Any]:
    """In the order of the file."""
    conditions = asdict(profile.conditions)
    conditions['input_shape'] = Line(profile.conditions.input_shape)
    conditions['versions'] = Row(conditions['versions'])
    data: dict[str, Any] = dict(format=FORMAT, **conditions)
    if profile.rest is not None:
        scale, more, off = profile.rest.scale, profile.rest.more_ns, profile.rest.off
        data['rest'] = Row(
            scale_permille=_thousandths(scale),
            more_ns=more,
            off_permille=_thousandths(off),
        )
    if profile.multiples:
        data['multiples'] = [
            Row(of=multiple, permille=_thousandths(ratio))
            for multiple, ratio in profile.multiples.items()
        ]
    data['networks'] = [
        Row(
            ns=network.ns,
            rounds=network.rounds,
            spread_permille=_thousandths(network.spread),
            widths=list(network.widths),
        )
        for network in profile.networks
    ]
    data['blocks'] = [
        {
            'what': block.what,
            'layers': Line(block.layers),
            'macs': block.macs,
            'rounds': block.rounds,
            'spread_permille': _thousandths(block.spread),
            'in': Line(block.ins),
            'out': Line(block.outs),
            'ns': [Line(row) for row in block.ns],
        }
        for block in profile.blocks
    ]
    return data


def from_dict(data: Any) -> Profile:
    """The opposite of :func:`to_dict`.

    Raises:
        SubnetError: If anything is missing, unknown or out of range.
    """
    names = [entry.name for entry in fields(Conditions)]
    data = mapping('the file', data, ('format', *names, 'blocks'), _OPTIONAL)
    if data['format'] != FORMAT:
        raise SubnetError(
            f'format: {short(data["format"])}; this version of mmdmcp reads '
            f'profiles of format {FORMAT}'
        )
    conditions = Conditions(
        model=_word('model', data['model']),
        input_shape=_numbers('input_shape', data['input_shape']),
        batch=whole_number('batch', data['batch']),
        runtime=_word('runtime', data['runtime'], RUNTIMES),
        device=_word('device', data['device'], ('cpu', 'cuda')),
        processor=_word('processor', data['processor']),
        threads=whole_number('threads', data['threads']),
        versions={
            _word('versions', key): _word(f'versions: {key}', value)
            for key, value in mapping('versions', data['versions']).items()
        },
    )
    return Profile(
        conditions,
        tuple(_block(n, row) for n, row in enumerate(_list('blocks', data['blocks']))),
        tuple(
            _network(n, row)
            for n, row in enumerate(_list('networks', data.get('networks', [])))
        ),
        _rest(data['rest']) if 'rest' in data else None,
        _multiples(_list('multiples', data.get('multiples', []))),
    )


def _block(number: int, row: Any) -> BlockTimes:
    at = f'blocks[{number}]'
    keys = ('what', 'layers', 'macs', 'rounds', 'spread_permille', 'in', 'out', 'ns')
    row = mapping(at, row, keys, ())
    ins, outs = (_numbers(f'{at}: {key}', row[key]) for key in ('in', 'out'))
    for key, axis in (('in', ins), ('out', outs)):
        if any(b <= a for a, b in itertools.pairwise(axis)):
            raise SubnetError(f'{at}: {key} must increase')
    ns = tuple(_numbers(f'{at}: ns', r, _MAX_NS) for r in _list(f'{at}: ns', row['ns']))
    if [len(r) for r in ns] != [len(outs)] * len(ins):
        raise SubnetError(
            f'{at}: ns must have a row for each of the {len(ins)} entries of in, and '
            f'in it a number for each of the {len(outs)} of out'
        )
    return BlockTimes(
        what=_word(f'{at}: what', row['what']),
        layers=tuple(
            _word(f'{at}: layers', name)
            for name in _list(f'{at}: layers', row['layers'])
        ),
        macs=whole_number(f'{at}: macs', row['macs'], 0, _MAX_NS),
        ins=ins,
        outs=outs,
        ns=ns,
        rounds=whole_number(f'{at}: rounds', row['rounds']),
        spread=_ratio(at, row, 'spread_permille'),
    )


def _network(number: int, row: Any) -> NetworkTime:
    at = f'networks[{number}]'
    row = mapping(at, row, ('ns', 'rounds', 'spread_permille', 'widths'), ())
    return NetworkTime(
        _numbers(f'{at}: widths', row['widths']),
        whole_number(f'{at}: ns', row['ns'], 1, _MAX_NS),
        whole_number(f'{at}: rounds', row['rounds']),
        _ratio(at, row, 'spread_permille'),
    )


def _rest(row: Any) -> Rest:
    row = mapping('rest', row, ('scale_permille', 'more_ns', 'off_permille'), ())
    return Rest(
        _ratio('rest', row, 'scale_permille', 1),
        whole_number('rest: more_ns', row['more_ns'], -_MAX_NS, _MAX_NS),
        _ratio('rest', row, 'off_permille'),
    )


def _multiples(rows: list) -> dict[int, float]:
    found = {}
    for number, row in enumerate(rows):
        at = f'multiples[{number}]'
        row = mapping(at, row, ('of', 'permille'), ())
        multiple = whole_number(f'{at}: of', row['of'], 1, 1 << 20)
        found[multiple] = _ratio(at, row, 'permille', 1000)
    return found


def _ratio(at: str, row: Mapping[str, Any], key: str, low: int = 0) -> float:
    return whole_number(f'{at}: {key}', row[key], low) / 1000


def _list(at: str, value: Any) -> list:
    if not isinstance(value, list):
        raise SubnetError(f'{at}: must be a list, not {short(value)}')
    return value


def _numbers(at: str, value: Any, high: int = 1 << 20) -> tuple[int, ...]:
    numbers = tuple(whole_number(at, number, 1, high) for number in _list(at, value))
    if not numbers:
        raise SubnetError(f'{at}: is empty')
    return numbers


def _word(at: str, value: Any, known: tuple[str, ...] = ()) -> str:
    # A version such as 2 reads as a number.
    word = str(value) if isinstance(value, (str, int)) else ''
    if not word or len(word) > 500:
        raise SubnetError(f'{at}: must be a word, not {short(value)}')
    if known and word not in known:
        raise SubnetError(f'{at}: {short(word)}; it can be {" or ".join(known)}')
    return word
