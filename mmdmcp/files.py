"""Files: written whole or not at all, read without waiting, and those shipped."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

# What :func:`why_not_a_file` says of a path where nothing is.
GONE = 'it is gone'
# Names of files that are being written; a length of their own, so that any
# name the file system takes can be written.
_PREFIX, _SUFFIX = '.mmdmcp-', '.tmp'


def shipped_configs() -> Path:
    """The folder ``configs/`` of an installation, or of the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / '.mim' / 'configs'
    return installed if installed.is_dir() else package.parent / 'configs'


def why_not_a_file(path: str | os.PathLike) -> str | None:
    """What stands at a path in place of a file; None if it is a file.

    Opening a pipe waits for somebody to write into it, and a device may have
    no end: ask before opening anything that a user named.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return GONE
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return f"it can't be read ({error})"
    if stat.S_ISREG(mode):
        return None
    return 'it is a folder' if stat.S_ISDIR(mode) else 'it is a pipe or a device'


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file, open for bytes, that takes its place when the block ends.

    It is written beside ``path`` first, flushed to the disk and renamed.
    If anything fails, what was at ``path`` stays and nothing else is left;
    what a killed process leaves is removed by :func:`remove_leftovers`.

    Raises:
        OSError: If it can't be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_beside(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if fcntl is None:  # pragma: no cover - Windows renames no open file
            file.close()
        os.replace(file.name, path)
    _sync_folder(path.parent)


@contextmanager
def file_beside(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A new file in the folder of ``path``, gone when the block ends unless
    it was renamed.

    Raises:
        OSError: If it can't be made.
    """
    temporary = Path(path).with_name(f'{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}')
    # 'x' refuses what is there, links too: in a folder that others can write
    # to, somebody may have put one where we are about to write.
    with open(temporary, 'xb') as file:
        try:
            _lock(file)
            yield file
        finally:
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | os.PathLike) -> list[str]:
    """Remove the unfinished files of processes that are no more.

    Args:
        folder: Where to look; folders inside are left alone.

    Returns:
        Names of the files that were removed.
    """
    removed = []
    for path in sorted(Path(folder).glob(f'{_PREFIX}*{_SUFFIX}')):
        if path.is_symlink() or why_not_a_file(path) is not None:
            continue
        try:
            with open(path, 'rb+') as file:
                if not _lock(file):
                    continue  # somebody writes it, or that can't be known
                path.unlink()
        except OSError:  # another user's
            continue
        removed.append(path.name)
    return removed


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; False if somebody else has it, or the
    file system has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # folders can't be opened everywhere
        return
    try:
        os.fsync(handle)
    except OSError:  # nor synchronised on every file system
        pass
    finally:
        os.close(handle)
