"""One run owns a work dir: two would replace each other's checkpoints.

The owner holds a lock of the operating system on a file in the folder. It
ends with the process, however that ends; what the file says is only for
people, and for finding the run's own checkpoints again.
"""

import fcntl
import getpass
import json
import os
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process

from ..errors import LaunchError
from ..files import remove_leftovers

LOCK = '.mmdmcp.lock'
# The folders of this process, with its number and the file's handle: locks of
# the operating system are between processes, and end when a process closes
# the file, through whatever handle. A forked process has none of them.
_ours: dict[Path, tuple[int, int]] = {}
_mutex = threading.Lock()


class Ownership:
    """What the owner of a work dir knows about it.

    Attributes:
        run: Name of the run, as its checkpoints have it; None if the folder
            does not say which run was there last.
        start: Checkpoint that this run went on from when it began.
        notices: What to log.
    """

    def __init__(self, run: str | None, start: str | None) -> None:
        self.run, self.start = run, start
        self.notices: list[str] = []
        self._handle: int | None = None

    def begin(self, start: str | None) -> None:
        """From now on another run is in the folder; rank 0 names it.

        Args:
            start: Checkpoint that it goes on from, if there is one.
        """
        names = [secrets.token_hex(8)]
        broadcast_object_list(names)
        self.run, self.start = names[0], start
        if self._handle is not None:
            _write(self._handle, self)


@contextmanager
def own_work_dir(
    folder: str | os.PathLike, written: Iterable[str] = ()
) -> Iterator[Ownership]:
    """Own a folder, which must exist, for the length of a block.

    Rank 0 owns it for all ranks; all of them call this. Unfinished files of
    killed runs are removed from it.

    Args:
        folder: The work dir.
        written: Names of files there that MMEngine opens and writes into. A
            link in their place is removed: what it points to, perhaps put
            there by somebody else, is not to be written to.

    Raises:
        LaunchError: If another run has it, saying which; on all ranks.
    """
    path = Path(folder).resolve()
    found: list[Any] = [None]
    handle = None
    if is_main_process():
        try:
            handle, notices = _acquire(path)
            earlier = {} if handle is None else _content(handle)
            found = [(earlier.get('run'), earlier.get('start'), notices)]
        except LaunchError as error:
            found = [error]
    broadcast_object_list(found)
    if isinstance(found[0], LaunchError):
        raise found[0]
    run, start, notices = found[0]
    owner = Ownership(run, start)
    owner.notices += notices
    owner._handle = handle
    try:
        if is_main_process():
            if handle is not None:
                _write(handle, owner)
            for name in written:
                if (path / name).is_symlink():
                    (path / name).unlink()
                    owner.notices.append(f'{path / name}: removed, it was a link')
            removed = remove_leftovers(path)
            if removed:
                owner.notices.append(
                    f'{path}: removed what killed processes left unfinished: '
                    + ', '.join(removed)
                )
        yield owner
    finally:
        if is_main_process():
            _release(path, handle)


def _acquire(folder: Path) -> tuple[int | None, list[str]]:
    """An open, locked file; None where there are no locks, and a notice."""
    with _mutex:
        process, other = _ours.get(folder, (0, 0))
        if process == os.getpid():
            raise _taken(folder, _content(other))
        try:
            handle = os.open(
                folder / LOCK,
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                0o666,
            )
        except OSError as error:
            return None, [_no_lock(folder, error)]
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError('it is no file')
            # Not flock: data-loader workers would inherit that, and hold it
            # for as long as they outlive a killed run.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows either
            content = _content(handle)
            os.close(handle)
            raise _taken(folder, content) from None
        except OSError as error:
            os.close(handle)
            return None, [_no_lock(folder, error)]
        _ours[folder] = os.getpid(), handle
        return handle, []


def _release(folder: Path, handle: int | None) -> None:
    with _mutex:
        if handle is not None:
            _ours.pop(folder, None)
            os.close(handle)


def _no_lock(folder: Path, error: OSError) -> str:
    return (
        f"{folder / LOCK} can't be locked ({error.strerror or error}), so "
        'nothing keeps a second run out of this work dir: give each a '
        '--work-dir of its own'
    )


def _taken(folder: Path, owner: dict[str, Any]) -> LaunchError:
    who = 'another run'
    if owner:
        who = (
            f'process {owner.get("pid")} on {owner.get("host")}, started by '
            f'{owner.get("user")} at {owner.get("time")}'
        )
    return LaunchError(
        f'the work dir {folder} belongs to {who}, which is still running. Two '
        "runs would replace each other's checkpoints and results: wait for "
        'it, stop it, or name another folder with --work-dir'
    )


def _content(handle: int) -> dict[str, Any]:
    """What the file says; nothing if it is empty or damaged."""
    try:
        content = json.loads(os.pread(handle, 1 << 16, 0))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(handle: int, owner: Ownership) -> None:
    content = dict(
        host=socket.gethostname(),
        pid=os.getpid(),
        user=_user(),
        time=time.strftime('%Y-%m-%d %H:%M:%S'),
        run=owner.run,
        start=owner.start,
    )
    data = (json.dumps(content, indent=1) + '\n').encode()
    os.pwrite(handle, data, 0)
    os.ftruncate(handle, len(data))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        return str(os.getuid())
