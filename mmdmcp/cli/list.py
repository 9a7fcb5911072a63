"""``mmdmcp list``: the configs that come with the package."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files import shipped_configs
from . import report_errors

_PRUNED = ('mmdmcp.PrunedModel', 'mmdmcp.PrunedBackbone', 'mmdmcp.FittedModel')


@dataclass(frozen=True)
class Row:
    """A config in a few words.

    Attributes:
        config: Its path below ``configs/``, as every command takes it.
        method: What it does with which method.
        model: The network.
        data: The data set.
    """

    config: str
    method: str
    model: str
    data: str


def main(argv: list[str] | None = None) -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description='List the configs that come with the package. Every command '
        'takes them by these names from any folder, and a config of your own '
        "builds on one with _base_ = 'mmdmcp::NAME'."
    )
    parser.add_argument(
        'words', nargs='*', help='show those whose row has all these words'
    )
    args = parser.parse_args(argv)
    return report_errors(lambda: _list(args.words))


def _list(words: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    rows = [
        row
        for row in shipped_rows()
        if all(w.lower() in ' '.join(astuple(row)).lower() for w in words)
    ]
    if not rows:
        raise ConfigError(
            f'no shipped config has {" and ".join(words)} in its row; '
            '`mmdmcp list` shows all of them'
        )
    # Names are for copying: in a narrow window the others are wrapped.
    longest = max(len(row.config) for row in rows)
    name = Column('config', no_wrap=True, min_width=longest)
    table = Table(name, 'method', 'model', 'data', box=None, pad_edge=False)
    for row in rows:
        table.add_row(*astuple(row))
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else 200).print(table, markup=False)


def shipped_rows() -> Iterator[Row]:
    """A row for every config of a run, in the order of their paths.

    One that is built on the config of a package that is not installed has
    only the words that its own text has.
    """
    from mmengine.config import Config

    from .. import compat

    compat.shipped_bases()
    root = shipped_configs()
    for path in sorted(root.rglob('*.py')):
        name = path.relative_to(root)
        if name.parts[0] == '_base_':
            continue
        try:
            yield describe(str(name), Config.fromfile(str(path)))
        except ModuleNotFoundError as error:
            # MMEngine's words: 'mmdet is not installed, please ...'
            needed = error.name or str(error).partition(' ')[0]
            yield Row(str(name), '?', f'needs {needed}', '?')


def describe(name: str, cfg: Mapping[str, Any]) -> Row:
    """A config as a row of the table."""
    model = cfg.get('model') or {}
    kind = model.get('type')
    backbone = model.get('backbone') or {}
    if 'architecture' in model:
        method, full = f'{str(kind).rpartition(".")[2]}, search', model['architecture']
    elif kind == 'mmdmcp.PrunedModel':
        method, full = _retraining(model), model['cfg']
    elif kind == 'mmdmcp.DistilledModel':
        student = model['student']
        method, full = f'{_retraining(student)}, distilled', model['teacher']
    elif kind in _PRUNED or backbone.get('type') in _PRUNED:
        method, full = _retraining(backbone), dict(model, backbone=backbone['cfg'])
        full['type'] = model.get('host', kind)
    else:
        method, full = 'none, training', model
    return Row(name, method, _network(full), _data(cfg))


def _retraining(pruned: Mapping[str, Any]) -> str:
    """Which method found a subnet, by the name that its files have."""
    method = Path(str(pruned.get('subnet'))).name.partition('_SUBNET')[0]
    return f'{method}, pruned network'


def _network(model: Mapping[str, Any]) -> str:
    """``RetinaNet, ResNet-50``; of a classifier its backbone alone."""
    backbone = model.get('backbone') or model
    name = str(backbone.get('arch') or backbone.get('type')).rpartition('.')[2]
    if 'depth' in backbone:
        name += f'-{backbone["depth"]}'
    host = str(model.get('type')).rpartition('.')[2]
    return name if host in ('ImageClassifier', name) else f'{host}, {name}'


def _data(cfg: Mapping[str, Any]) -> str:
    """The type of the data set inside its wrappers."""
    node = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while isinstance(node.get('dataset'), Mapping):
        node = node['dataset']
    return str(node.get('of') or node.get('type') or '-').rpartition('.')[2]
