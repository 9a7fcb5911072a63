"""Reading and writing the YAML of a subnet file, safely.

Reading is stricter than ``yaml.safe_load``: only mappings, lists, strings
and whole numbers; no anchors (a small text can't grow into a huge one), no
tags (nothing is constructed, nothing runs), no key twice, little depth.
It works on the parser's events, because PyYAML's own composition recurses
and lets a deeply nested text end the process.
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from ..errors import SubnetError, first_line, shown
from ..files import atomic_file

MAX_BYTES = 16 << 20
_MAX_DEPTH = 8
_INT = re.compile(r'-?(0|[1-9][0-9]{0,17})', re.ASCII)
_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_Dumper: Any = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)
_RESOLVER = yaml.resolver.Resolver()


def path_words(path: object) -> str:
    """What was given as a path, as it can stand in a message."""
    if isinstance(path, (str, os.PathLike)):
        return str(path)[:1000]
    return shown(path)


def read_yaml(
    path: str | os.PathLike,
    noun: str = 'subnet file',
    name: str = 'DMCP_SUBNET*.yaml',
    remedy: str = 'run the search that writes it',
) -> Any:
    """Read one file of plain YAML.

    Args:
        path: The file.
        noun: What messages call such a file.
        name: What such files are called.
        remedy: What makes one.

    Raises:
        SubnetError: If the file can't be read or isn't plain YAML. The
            message does not name the file; the caller does.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise SubnetError(f'not a path; give that of a {name}')
    path = Path(path)
    try:
        if not path.exists():
            raise SubnetError(
                'the file does not exist; check the path (relative ones '
                f'start at {os.getcwd()}) or {remedy}'
            )
        if not path.is_file():
            raise SubnetError(f'not a file; give the path of the {name} itself')
        with open(path, 'rb') as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        # Without the path, which may be longer than any message should be.
        why = getattr(error, 'strerror', None) or error
        raise SubnetError(f"can't be read: {why}") from None
    if len(data) > MAX_BYTES:
        raise SubnetError(f'larger than {MAX_BYTES >> 20} MiB, so not a {noun}')
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise SubnetError(
            f'not UTF-8 text ({error.reason} at byte {error.start}), so not a {noun}'
        ) from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """Turn plain YAML text into dicts, lists, strings and ints."""
    try:
        events = yaml.parse(text, Loader=_Loader)
        next(events)  # stream start
        if isinstance(next(events), yaml.StreamEndEvent):
            raise SubnetError('the file is empty')
        value = _node(next(events), events, depth=0)
        next(events)  # document end
        if not isinstance(next(events), yaml.StreamEndEvent):
            raise SubnetError('more than one YAML document in the file')
    except yaml.MarkedYAMLError as error:
        raise SubnetError(
            f'{_place(error.problem_mark)}: not valid YAML: {first_line(error.problem or error)}'
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        # PyYAML raises a bare ValueError for some malformed directives.
        raise SubnetError(f'not valid YAML: {first_line(error)}') from None
    return value


def _node(event, events, depth: int) -> Any:
    """The value that starts with ``event``; reads on to its end."""
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise SubnetError(
            f'{_where(event)}: anchors and aliases (& and *) '
            'are not used in files of mmdmcp'
        )
    if event.tag is not None:
        raise SubnetError(
            f'{_where(event)}: tag {event.tag[:60]!r}; such '
            'files hold plain values only'
        )
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if depth == _MAX_DEPTH:
        raise SubnetError(f'{_where(event)}: nested too deeply')
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        for event in iter(lambda: next(events), None):
            if isinstance(event, yaml.SequenceEndEvent):
                return items
            items.append(_node(event, events, depth + 1))
    mapping: dict[Any, Any] = {}
    for event in iter(lambda: next(events), None):
        if isinstance(event, yaml.MappingEndEvent):
            return mapping
        if not isinstance(event, yaml.ScalarEvent):
            raise SubnetError(f'{_where(event)}: a key must be a word')
        key = _node(event, events, depth)
        if key in mapping:
            raise SubnetError(f'{_where(event)}: key {key!r} appears twice; remove one')
        mapping[key] = _node(next(events), events, depth + 1)
    return None


def _scalar(event) -> int | str:
    """A string or a whole number; nothing else."""
    value = event.value
    if not event.implicit[0]:  # quoted
        return value
    if _INT.fullmatch(value):
        return int(value)
    tag = _RESOLVER.resolve(yaml.ScalarNode, value, (True, False))
    if tag != 'tag:yaml.org,2002:str':
        kind = tag.rsplit(':', 1)[-1]
        raise SubnetError(
            f'{_where(event)}: {value[:40]!r} reads as {kind}; such files '
            'hold words and plain whole numbers (quote it if it is a word)'
        )
    return value


def _where(event) -> str:
    return _place(event.start_mark)


def _place(mark) -> str:
    return f'line {mark.line + 1}, column {mark.column + 1}'


class Row(dict):
    """A mapping that is written on one line: ``{in: 52, out: 22}``."""


class Line(list):
    """A list that is written on one line: ``[4, 8, 16]``."""


class _RowDumper(_Dumper):
    def ignore_aliases(self, data) -> bool:
        return True


_RowDumper.add_representer(
    Row,
    lambda dumper, row: dumper.represent_mapping(
        'tag:yaml.org,2002:map', row.items(), flow_style=True
    ),
)

_RowDumper.add_representer(
    Line,
    lambda dumper, line: dumper.represent_sequence(
        'tag:yaml.org,2002:seq', line, flow_style=True
    ),
)


def format_yaml(data: dict[str, Any]) -> str:
    """Text of ``data`` in its own order, each :class:`Row` and :class:`Line`
    on one line."""
    return yaml.dump(
        data,
        Dumper=_RowDumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=1 << 30,
    )


def write_atomically(path: str | os.PathLike, text: str) -> None:
    """Write a file that is either all there or, after a crash, as before.

    Raises:
        SubnetError: If it can't be written. What was at ``path`` stays.
    """
    try:
        with atomic_file(path) as file:
            file.write(text.encode('utf-8'))
    except (OSError, ValueError) as error:
        raise SubnetError(
            f"{path}: can't be written ({error}); make room or choose another place"
        ) from error
