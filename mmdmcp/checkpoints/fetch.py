"""Checkpoints behind a URL: downloaded once, then files like all others."""

import hashlib
import os
import re
import shutil
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import urlopen

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from ..errors import CheckpointError, first_line
from ..files import atomic_file

_SECONDS = 60  # that a server may be silent
# Model zoos end names with the first digits of the content's SHA-256.
_HASHED = re.compile(r'-[0-9a-f]{8,}\.')


def is_url(path: Any) -> bool:
    """Whether it is a URL that is downloaded from."""
    return isinstance(path, str) and path.startswith(('http://', 'https://'))


def downloaded(url: str) -> Path:
    """Where the download of a URL is kept; it need not be there.

    torch's folder, where MMEngine looks too. A name that does not say what
    is in the file (``epoch_40.pth``) gets one that says where it is from:
    two of these are two files.
    """
    name = Path(urlparse(url).path).name
    if not _HASHED.search(name):
        name = f'{hashlib.sha256(url.encode()).hexdigest()[:16]}_{name}'
    return Path(torch.hub.get_dir()) / 'checkpoints' / name


def fetch(url: str) -> Path:
    """Download a file, unless that was done before.

    Raises:
        CheckpointError: If it can't be downloaded whole. Nothing is left.
    """
    path = downloaded(url)
    if path.exists():
        return path
    print_log(f'downloading {url} to {path}', logger='current')
    try:
        with urlopen(url, timeout=_SECONDS) as answer, atomic_file(path) as file:
            shutil.copyfileobj(answer, file, 1 << 20)
            length = answer.headers.get('Content-Length')
            if length is not None and file.tell() != int(length):
                raise OSError(f'it ended after {file.tell()} of {length} bytes')
    except (OSError, ValueError, HTTPException) as error:  # ValueError: no host
        raise CheckpointError(
            f"{url} can't be downloaded: {first_line(error)}. Check the address "
            f'and the network, or put the file at {path}'
        ) from None
    return path


def fetch_together(url: str) -> Path:
    """The same, called by all ranks: rank 0 goes first, the others find its
    download, or make one on a machine of their own.

    Raises:
        CheckpointError: On all ranks, if rank 0 can't download it.
    """
    problem: list[Any] = [None]
    if is_main_process():
        try:
            fetch(url)
        except CheckpointError as error:
            problem = [error]
    broadcast_object_list(problem)
    if problem[0] is not None:
        raise problem[0]
    return fetch(url)


def unusable(url: str, path: str | os.PathLike, problem: object) -> str:
    """Says that what was downloaded can't be used."""
    return (
        f"{url} can't be loaded: {problem}. It was downloaded to {path}; remove "
        'that to download it again, or name another checkpoint'
    )
