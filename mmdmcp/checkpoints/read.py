"""Read and write checkpoints; nothing in a file is executed."""

import io
import os
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..compat import allow_containers
from ..errors import CheckpointError, first_line
from ..files import atomic_file, why_not_a_file
from .fetch import fetch, is_url, unusable

#: Before the names of what a network was taught with, in its checkpoints.
DISTILLATION = 'distillation.'


def read_checkpoint(path: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """The content of a checkpoint; nothing in it is executed.

    Args:
        path: The file.
        map_location: Where its tensors go, as in :func:`torch.load`.

    Raises:
        CheckpointError: If it can't be read. The message does not name the
            file; the caller does.
    """
    problem = why_not_a_file(path)
    if problem is not None:
        raise CheckpointError(problem)
    try:
        allow_containers()
        return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            'it is damaged, or holds more than tensors and plain data, which '
            'is not loaded: it could run code'
        ) from None
    except Exception as error:
        raise CheckpointError(f'it is damaged ({first_line(error)})') from None


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """The state dict of a checkpoint; nothing in it is executed.

    Args:
        path: The file, or its URL.

    Raises:
        CheckpointError: If the file can't be read or holds none. The
            message does not name the file.
    """
    try:
        content = read_checkpoint(fetch(str(path)) if is_url(path) else path)
    except CheckpointError as error:
        raise CheckpointError(f"can't be loaded: {error}") from None
    weights = weights_of(content) if isinstance(content, dict) else {}
    if not any(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError('holds no weights')
    return weights


def load_url(url: str, map_location: Any = None, **_) -> Any:
    """The content of a checkpoint behind a URL; nothing in it is executed.

    Args:
        url: The address.
        map_location: Where its tensors go, as in :func:`torch.load`.

    Raises:
        CheckpointError: If it can't be downloaded or read.
    """
    path = fetch(url)
    try:
        return read_checkpoint(path, map_location)
    except CheckpointError as error:
        raise CheckpointError(unusable(url, path, error)) from None


def write_weights(path: str | os.PathLike, content: Mapping[str, Any]) -> None:
    """Write weights, all of the file or none of it.

    Raises:
        CheckpointError: If it can't be written. What was at ``path`` stays.
    """
    # In memory first: where a disk is full, torch hides the error behind
    # one of its own.
    data = io.BytesIO()
    torch.save(content, data)
    try:
        with atomic_file(path) as file:
            file.write(data.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"{path} can't be written ({error.strerror}): make room, or "
            'choose another place'
        ) from error


def weights_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """What MMEngine takes for the weights in a checkpoint's content.

    They stand under ``state_dict`` or are all there is; the prefix that a
    distributed model puts on its names is dropped, and so is what a network
    was taught with.
    """
    weights = content.get('state_dict', content)
    if not isinstance(weights, Mapping):
        return {}
    named = {str(name).removeprefix('module.'): x for name, x in weights.items()}
    return {name: x for name, x in named.items() if not name.startswith(DISTILLATION)}


def ignore_distillation(_module: Any, state_dict: dict, prefix: str, *_: Any) -> None:
    """A hook of a network that loads: what it was taught with is not its own."""
    for key in [k for k in state_dict if k.startswith(prefix + DISTILLATION)]:
        del state_dict[key]
