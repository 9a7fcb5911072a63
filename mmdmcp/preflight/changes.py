"""What a resumed run changes in the config of the run it goes on from."""

import ast
from typing import Any

from mmengine.config import Config

from ..checkpoints import read_checkpoint
from ..errors import CheckpointError
from .searches import search_class

# What may change with a warning, beside the method's own; one that was not meant
# to wastes what is left of the run.
_FREE = ('train_cfg.max_epochs', 'train_cfg.max_iters', 'train_dataloader.batch_size')


def check_changes(cfg: Config, path: str) -> list[str]:
    """Compare the config of a run with the one inside a checkpoint.

    Args:
        cfg: The config of the run that is to go on.
        path: The checkpoint, which can be read.

    Returns:
        A warning for each change that is allowed.

    Raises:
        CheckpointError: If the search was another one, or the run would be
            over before it begins.
    """
    meta = read_checkpoint(path).get('meta') or {}
    _check_length(cfg, path, meta)
    before = _settings(str(meta.get('cfg')))
    now = _settings(cfg.pretty_text)
    if not before.get('model') or not now.get('model'):
        return []  # not a config of plain values
    fixed, free = _keys(cfg, before, now)
    changes = {
        key: (_value(before, key), _value(now, key))
        for key in fixed + free
        if _value(before, key) != _value(now, key)
    }
    for key in fixed:
        if key in changes:
            raise CheckpointError(
                f'{path} is of a run with {_change(key, *changes[key])}. '
                'Set it back to go on with --resume, or start again in '
                'another --work-dir'
            )
    return [
        f'{path} was written with {_change(key, *changes[key])} from now on'
        for key in free
        if key in changes
    ]


def _keys(cfg: Config, *settings: dict) -> tuple[list[str], list[str]]:
    """What must stay and what may change, as the runs' methods say."""
    fixed, free = [], list(_FREE)
    for one in settings:
        method = search_class(one['model'], cfg.get('default_scope'))
        if method is not None:
            fixed += ['model.type', *(f'model.{key}' for key in method.fixed_options)]
            free += [f'model.{key}' for key in method.free_options]
    return list(dict.fromkeys(fixed)), list(dict.fromkeys(free))


def _check_length(cfg: Config, path: str, meta: dict) -> None:
    """Refuse to resume a run that is over: it would only write results again,
    without training."""
    for unit, done in (('epochs', 'epoch'), ('iters', 'iter')):
        length = (cfg.get('train_cfg') or {}).get(f'max_{unit}')
        if length is not None and meta.get(done, 0) > length:
            raise CheckpointError(
                f'{path} has {meta[done]} {unit} behind it, but '
                f'train_cfg.max_{unit}={length}. Raise it to go on with '
                '--resume, or start again in another --work-dir'
            )


def _change(key: str, before: Any, now: Any) -> str:
    return f'{key}={before!r}, the config has {now!r}'


def _value(settings: Any, key: str) -> Any:
    """The value of a dotted key; None if it isn't there."""
    for name in key.split('.'):
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings


def _settings(text: str) -> dict[str, Any]:
    """The plain values that a config's text assigns; nothing is executed."""
    try:
        lines = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return {}
    settings = {}
    for line in lines:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            try:
                settings[line.targets[0].id] = _plain(line.value)
            except ValueError:  # a function or a class
                continue
    return settings


def _plain(node: ast.expr) -> Any:
    """``dict(a=1)`` and all literals; tuples as lists."""
    if (
        isinstance(node, ast.Call)
        and not node.args
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
    ):
        return {word.arg: _plain(word.value) for word in node.keywords}
    if isinstance(node, ast.Dict) and all(node.keys):
        return {
            ast.literal_eval(key): _plain(value)
            for key, value in zip(node.keys, node.values)
        }
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_plain(item) for item in node.elts]
    return ast.literal_eval(node)
