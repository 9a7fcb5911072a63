"""Results as lines of JSON, each with what it takes to make it again."""

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch

#: What makes a result one of its own: it is not computed twice.
KEY = ('table', 'arm', 'share', 'seed', 'iterations', 'batch', 'size', 'device')
_PACKAGES = ('mmdmcp', 'torch', 'mmengine', 'numpy')


def read(path: Path) -> list[dict]:
    """All results of a file; none if there is no file.

    A last line without its end, of a process that was killed while it
    wrote, is left out.
    """
    if not path.exists():
        return []
    lines = path.read_text().split('\n')[:-1]
    return [json.loads(line) for line in lines if line]


def append(path: Path, record: dict) -> None:
    """Add a result, whole, whatever other processes add at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix('.lock')), open(path, 'a+b') as file:
        # What a killed process left unfinished is ended, and not read.
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b'\n':
                _drop_last_line(path)
        file.write(json.dumps(record).encode() + b'\n')


def _drop_last_line(path: Path) -> None:
    content = path.read_bytes()
    os.truncate(path, content.rfind(b'\n') + 1)


def key(record: dict, names: Sequence[str] = KEY) -> tuple:
    """What identifies a result."""
    return tuple(record.get(name) for name in names)


def length(record: dict) -> str:
    """How long a search was: iterations x images, their pixels where they are fewer
    than the table's, and whether a GPU ran it; empty for what trains nothing."""
    if record.get('iterations') is None:
        return ''
    text = f'{record["iterations"]} x {record["batch"]}'
    text += f', {record["size"]} px' if record.get('size') else ''
    return text + (', on a GPU' if record.get('device') else '')


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """A lock among processes, which a killed one leaves behind open.

    Args:
        path: The lock's file.
        wait: Whether to wait for it.

    Yields:
        Whether it was free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def circumstances(command: str, device: torch.device | None = None) -> dict:
    """Versions, hardware and time of a result, by default of a CPU."""
    hardware = f'{_processor()}, {torch.get_num_threads()} thread(s), bfloat16'
    if device is not None and device.type == 'cuda':
        hardware = f'{torch.cuda.get_device_name(device)}, bfloat16'
    return dict(
        command=command,
        versions={name: version(name) for name in _PACKAGES},
        hardware=hardware,
        finished=time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
    )


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    found = {
        name.strip(): value.strip()
        for name, _, value in (line.partition(':') for line in lines)
    }
    amx = ' with AMX' if 'amx_bf16' in found.get('flags', '') else ''
    return found.get('model name', platform.machine()) + amx
