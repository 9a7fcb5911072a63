"""What comes with the package: configs and subnet files, by short names."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .errors import ConfigError
from .files import shipped_configs
from .options import did_you_mean

#: How configs of any package name ours: ``_base_ = 'mmdmcp::pruning/...'``.
SCOPE = 'mmdmcp::'


def locate(path: str | os.PathLike) -> Path | None:
    """A file, wherever it may stand.

    Args:
        path: A path, absolute or from the working directory; where nothing
            is there, one from the shipped ``configs/``, which
            ``mmdmcp::`` insists on.

    Returns:
        Where the file is; None if there is none.
    """
    name = os.fspath(path)
    if not name.startswith(SCOPE):
        file = os.path.expanduser(name)  # no error for a user who is none
        if os.path.exists(file):
            return Path(file)
        if os.path.isabs(file):
            return None
    inner, shipped = name.removeprefix(SCOPE), shipped_configs()
    for candidate in (shipped / inner, shipped.parent / inner):
        if os.path.isfile(candidate):
            return candidate
    return None


def require(paths: Iterable[str], what: str) -> list[Path]:
    """Where the files are that a command will read.

    A command asks this first: what it needs to read them takes seconds to
    import.

    Raises:
        ConfigError: If one is not there, naming it, and one of nearly that
            name.
    """
    found = []
    for path in paths:
        file = locate(path)
        if file is None:
            raise missing(path, what)
        found.append(file)
    return found


def missing(path: str | os.PathLike, what: str) -> ConfigError:
    """The error for a file that :func:`locate` does not find.

    Args:
        path: As it was written.
        what: What should have been there, such as ``'config'``.
    """
    file = Path(os.path.expanduser(os.fspath(path).removeprefix(SCOPE)))
    suffix = file.suffix or '.*'
    known = {p.name: str(p) for p in shipped_configs().rglob(f'*{suffix}')}
    with suppress(OSError, ValueError):  # a name that no file can have
        known.update((p.name, str(p)) for p in file.parent.glob(f'*{suffix}'))
    hint = did_you_mean(file.name, known, 0.7, known.__getitem__)
    return ConfigError(f'there is no {what} at {file.absolute()}.{hint}')
