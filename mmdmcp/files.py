"""Files: written whole or not at all, and those that were shipped."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def shipped_configs() -> Path:
    """The folder ``configs/`` of an installation, or of the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / '.mim' / 'configs'
    return installed if installed.is_dir() else package.parent / 'configs'


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file, open for bytes, that takes its place when the block ends.

    It is written beside ``path`` first, flushed to the disk and renamed.
    If anything fails, what was at ``path`` stays and nothing else is left.

    Raises:
        OSError: If it can't be written.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(temporary, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


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
