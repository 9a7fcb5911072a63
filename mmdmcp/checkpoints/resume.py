"""Find a checkpoint to go on from; a damaged one is passed over."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CheckpointError
from .read import read_checkpoint

_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


class Found(NamedTuple):
    """A checkpoint to go on from.

    Attributes:
        path: The file; None if there is none.
        warnings: One for each newer file that is passed over.
    """

    path: str | None
    warnings: list[str]


def unreadable(path: str | Path) -> str | None:
    """Why a checkpoint can't be read; None if it can."""
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        return str(error)
    return None


def not_resumable(path: str | Path) -> str | None:
    """Why training can't go on from a checkpoint; None if it can."""
    try:
        _read(path)
    except CheckpointError as error:
        return str(error)
    return None


def find_good_checkpoint(work_dir: str, run: str | None = None) -> Found:
    """The newest checkpoint of a run that can be resumed from.

    The newest is the one with the most iterations behind it: the times of
    files are those of copying them.

    Args:
        work_dir: Folder of the run.
        run: Name of the run, which its checkpoints hold. None, and a
            checkpoint that holds no name, fit any.

    Raises:
        CheckpointError: If there are checkpoints and all are damaged.
    """
    problems: list[tuple[Path, str]] = []
    others: list[Path] = []
    for path, meta, problem in _newest_first(Path(work_dir)):
        if problem is not None:
            problems.append((path, problem))
        elif run is not None and run_of(meta) not in (None, run):
            others.append(path)
        else:
            return Found(str(path), _passed_over(problems, others, path))
    if problems:
        listed = '; '.join(f'{p.name}: {reason}' for p, reason in problems)
        raise CheckpointError(
            f'no checkpoint in {work_dir} can be resumed from: {listed}. '
            'Start again without --resume, or in another --work-dir'
        )
    return Found(None, _passed_over([], others, None))


def run_of(meta: Mapping) -> str | None:
    """Name of the run that wrote a checkpoint, if it says so."""
    own = meta.get('mmdmcp')
    return own.get('run') if isinstance(own, Mapping) else None


def _passed_over(
    problems: list[tuple[Path, str]], others: list[Path], good: Path | None
) -> list[str]:
    going_on = f'. Going on from {good}' if good else ''
    warnings = [f'{bad} is passed over: {why}{going_on}' for bad, why in problems]
    if others:
        names = ', '.join(path.name for path in others)
        warnings.append(
            f'{others[0].parent}: {names} passed over: of an earlier run in '
            f'this folder{going_on}. To go on from one of them, name it: '
            f'--resume {others[0]}'
        )
    return warnings


def _newest_first(folder: Path) -> Iterator[tuple[Path, Mapping, str | None]]:
    """Checkpoints of training with their meta, or why they can't be resumed
    from, those with most iterations first.

    Names count epochs or iterations. Within each kind they tell the order;
    only the first of each must be read to tell which is the newer.
    """
    queues: dict[str, list[tuple[int, Path]]] = {'epoch': [], 'iter': []}
    for path in folder.glob('*.pth'):
        match = _NAME.fullmatch(path.name)
        if match:
            queues[match[1]].append((int(match[2]), path))
    heads: dict[str, tuple[tuple[int, int], Path, Mapping]] = {}
    for queue in queues.values():
        queue.sort()
    while heads or any(queues.values()):
        for kind, queue in queues.items():
            while queue and kind not in heads:
                _, path = queue.pop()
                try:
                    meta = _read(path)['meta']
                except CheckpointError as error:
                    yield path, {}, str(error)
                else:
                    heads[kind] = (meta['iter'], meta['epoch']), path, meta
        if heads:
            newest = max(heads, key=lambda kind: heads[kind][0])
            _, path, meta = heads.pop(newest)
            yield path, meta, None


def _read(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint that training can go on from."""
    content = read_checkpoint(path)
    content = content if isinstance(content, dict) else {}
    missing = [
        key
        for key in ('meta', 'optimizer', 'state_dict')
        if not isinstance(content.get(key), Mapping)
    ]
    if not missing:
        missing = [
            f'meta.{key}'
            for key in ('epoch', 'iter')
            if not isinstance(content['meta'].get(key), int)
        ]
    if missing:
        raise CheckpointError(f'it has no {", ".join(missing)}')
    return content
