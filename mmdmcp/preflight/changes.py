"""What a resumed run changes in the config of the run it goes on from."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from ..checkpoints import read_checkpoint
from ..errors import CheckpointError
from ..walk import plain
from .config import RUNNER_KEYS
from .searches import search_class

# What the result of a training does not depend on.
_IRRELEVANT = (
    'default_hooks',
    'default_scope',
    'env_cfg',
    'experiment_name',
    'launcher',
    'load_from',
    'log_level',
    'log_processor',
    'resume',
    'test_cfg',
    'test_dataloader',
    'test_evaluator',
    'visualizer',
    'work_dir',
)
_SPEED_ONLY = ('pin_memory', 'prefetch_factor')
_SHOWN = 12  # changes that are listed one by one
_NOTHING = object()


def settings(cfg: Config) -> dict[str, Any]:
    """What the result of a run depends on, in plain values.

    It is kept in checkpoints, so that a resumed run can say what it changes.
    """
    keys = sorted(RUNNER_KEYS - set(_IRRELEVANT))
    found = {key: plain(cfg[key]) for key in keys if cfg.get(key) is not None}
    for loader in ('train_dataloader', 'val_dataloader'):
        for key in _SPEED_ONLY:
            found.get(loader, {}).pop(key, None)
    # The checkpoint's stays, see _check_seed.
    randomness = found.pop('randomness', {})
    randomness.pop('seed', None)
    return dict(found, randomness=randomness)


def check_changes(cfg: Config, path: str) -> list[str]:
    """Compare the config of a run with the one that wrote a checkpoint.

    Args:
        cfg: The config of the run that is to go on.
        path: The checkpoint, which can be read.

    Returns:
        A warning for each change that is allowed: it takes effect.

    Raises:
        CheckpointError: If something has changed that can't take effect, or
            the run would be over before it begins.
    """
    meta = read_checkpoint(path).get('meta') or {}
    _check_length(cfg, path, meta)
    _check_seed(cfg, path, meta)
    own = meta.get('mmdmcp')
    before = own.get('settings') if isinstance(own, Mapping) else None
    if not isinstance(before, Mapping):
        return [
            f'{path} does not hold the settings of the run that wrote it (an '
            'earlier version of mmdmcp did, or something else): whether this '
            "config changes them can't be told"
        ]
    now = settings(cfg)
    changes = list(_differences(before, now))
    fixed = _fixed(cfg, before)
    # Another method has other options: say that first.
    for key, old, new in sorted(changes, key=lambda change: change[0] != 'model.type'):
        if (
            _is_optimiser(key)
            or any(f'{key}.'.startswith(f'{f}.') for f in fixed)
            or (key == 'model.target' and fixed and _number(old) != _number(new))
        ):
            raise CheckpointError(
                f'{path} is of a run with {_change(key, old, new)}. '
                'Set it back to go on with --resume, or start again in '
                'another --work-dir'
            )
    warnings = [
        f'{path} was written with {_change(*change)} from now on'
        for change in changes[:_SHOWN]
    ]
    if len(changes) > _SHOWN:
        rest = ', '.join(key for key, *_ in changes[_SHOWN:])
        warnings.append(f'{path} was written with other values of {rest}, too')
    return warnings


def _fixed(cfg: Config, before: Mapping) -> list[str]:
    """What must stay, as the methods of both runs say."""
    fixed: list[str] = []
    for model in (cfg.get('model'), before.get('model')):
        method = search_class(model, cfg.get('default_scope'))
        if method is not None:
            fixed += ['model.type', *(f'model.{key}' for key in method.fixed_options)]
    return fixed


def _number(target: Any) -> int:
    """How many subnets are searched for: each has learned parameters of its own."""
    return len(target) if isinstance(target, list) else 1


def _is_optimiser(key: str) -> bool:
    """Whether a key says what kind of optimiser there is: what one remembers
    of each weight means nothing to another."""
    return key.startswith('optim_wrapper.') and key.endswith(
        ('constructor', 'optimizer.type')
    )


def _check_length(cfg: Config, path: str, meta: Mapping) -> None:
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


def _check_seed(cfg: Config, path: str, meta: Mapping) -> None:
    """A seed says what was drawn from the first iteration on; MMEngine would
    take the checkpoint's, whatever the config says."""
    seed = (cfg.get('randomness') or {}).get('seed')
    if None not in (seed, meta.get('seed')) and seed != meta['seed']:
        raise CheckpointError(
            f'{path} is of a run with randomness.seed={meta["seed"]}, the config '
            f'has {seed}: a run that goes on draws what comes next with the '
            'seed that it was started with. Set it back, or start another run '
            'from these weights with load_from in another --work-dir'
        )


def _differences(
    before: Any, now: Any, key: str = ''
) -> Iterator[tuple[str, Any, Any]]:
    """Every value that differs, by its full key."""
    if isinstance(before, Mapping) and now is _NOTHING:
        now = {}
    if isinstance(now, Mapping) and before is _NOTHING:
        before = {}
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted({*before, *now}):
            yield from _differences(
                before.get(name, _NOTHING),
                now.get(name, _NOTHING),
                f'{key}.{name}' if key else name,
            )
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, pair in enumerate(zip(before, now)):
            yield from _differences(*pair, f'{key}.{index}')
    elif before != now and {id(before), id(now)} != {id(None), id(_NOTHING)}:
        yield key, before, now


def _change(key: str, before: Any, now: Any) -> str:
    was = f'no {key}' if before is _NOTHING else f'{key}={_short(before)}'
    return f'{was}, the config has {"none" if now is _NOTHING else _short(now)}'


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + '...'
