"""Find a checkpoint to go on from; a damaged one is passed over."""

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import CheckpointError
from .read import read_checkpoint

_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


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
        content = read_checkpoint(path)
    except CheckpointError as error:
        return str(error)
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
    return f'it has no {", ".join(missing)}' if missing else None


def find_good_checkpoint(work_dir: str) -> tuple[str | None, list[str]]:
    """The newest checkpoint of a run that can be resumed from.

    Args:
        work_dir: Folder of the run.

    Returns:
        Its path, None if the run has no checkpoint yet; and a warning for
        each newer one that is damaged.

    Raises:
        CheckpointError: If there are checkpoints and all are damaged.
    """
    problems = []
    for path in _newest_first(Path(work_dir)):
        problem = not_resumable(path)
        if problem is None:
            return str(path), [
                f'{bad} is passed over: {reason}. Going on from {path}'
                for bad, reason in problems
            ]
        problems.append((path, problem))
    if problems:
        listed = '; '.join(f'{p.name}: {reason}' for p, reason in problems)
        raise CheckpointError(
            f'no checkpoint in {work_dir} can be resumed from: {listed}. '
            'Start again without --resume, or in another --work-dir'
        )
    return None, []


def _newest_first(folder: Path) -> list[Path]:
    """Checkpoints of training, the last written first."""
    found = [p for p in folder.glob('*.pth') if _NAME.fullmatch(p.name)]
    return sorted(found, key=_written, reverse=True)


def _written(path: Path) -> tuple[int, str]:
    # A link to nothing has a time of its own, and is passed over later.
    stat = path.stat() if path.exists() else path.lstat()
    return stat.st_mtime_ns, path.name
