"""Read and write checkpoints, and see whether weights are a model's."""
import io
import os
import pickle
from typing import Any, Dict, List, Mapping, NamedTuple, Union

import torch
from mmengine.model.weight_init import PretrainedInit
from torch import Tensor, nn

from .errors import CheckpointError, first_line
from .files import atomic_file


class Fit(NamedTuple):
    """How weights fit a model, by the model's names.

    Counters of batches are in none of the lists: nothing depends on them,
    and checkpoints from elsewhere often lack them.

    Attributes:
        fitting: There, in the right shape.
        misshapen: There, in another shape.
        missing: Not there.
    """
    fitting: List[str]
    misshapen: List[str]
    missing: List[str]


def read_checkpoint(path: Union[str, os.PathLike]) -> Any:
    """The content of a checkpoint; nothing in it is executed.

    Raises:
        CheckpointError: If it can't be read. The message does not name the
            file; the caller does.
    """
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        raise CheckpointError('it is gone') from None
    except pickle.UnpicklingError:
        raise CheckpointError(
            'it is damaged, or holds more than tensors and plain data, which '
            'is not loaded: it could run code') from None
    except Exception as error:
        raise CheckpointError(f'it is damaged ({first_line(error)})') from None


def read_weights(path: Union[str, os.PathLike]) -> Dict[str, Tensor]:
    """The state dict of a checkpoint; nothing in it is executed.

    Raises:
        CheckpointError: If the file can't be read or holds none. The
            message does not name the file.
    """
    try:
        content = read_checkpoint(path)
    except CheckpointError as error:
        raise CheckpointError(f'can\'t be loaded: {error}') from None
    weights = weights_of(content) if isinstance(content, dict) else {}
    if not any(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError('holds no weights')
    return weights


def write_weights(path: Union[str, os.PathLike],
                  content: Mapping[str, Any]) -> None:
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
            f'{path} can\'t be written ({error.strerror}): make room, or '
            'choose another place') from error


def weights_of(content: Mapping[str, Any]) -> Dict[str, Any]:
    """What MMEngine takes for the weights in a checkpoint's content.

    They stand under ``state_dict`` or are all there is; the prefix that a
    distributed model puts on its names is dropped.
    """
    weights = content.get('state_dict', content)
    if not isinstance(weights, Mapping):
        return {}
    return {
        str(name).removeprefix('module.'): value
        for name, value in weights.items()
    }


def initialisers(init_cfg: Any) -> List[Any]:
    """What stands in an ``init_cfg``: one initialiser, several, or none."""
    if isinstance(init_cfg, (list, tuple)):
        return list(init_cfg)
    return [] if init_cfg is None else [init_cfg]


def is_pretrained(entry: Any) -> bool:
    """Whether one initialiser of an ``init_cfg`` loads a checkpoint."""
    kind = entry.get('type') if isinstance(entry, Mapping) else None
    # With or without a scope: 'mmengine.Pretrained' is the same one.
    return kind is PretrainedInit or isinstance(
        kind, str) and kind.rpartition('.')[2] == 'Pretrained'


def compare(model: nn.Module, weights: Mapping[str, Any]) -> Fit:
    """See which of a model's weights are among the given ones.

    Args:
        model: The model.
        weights: By the names that the model has for them.
    """
    fit = Fit([], [], [])
    for name, value in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        found = getattr(weights.get(name), 'shape', None)
        if found is None:
            fit.missing.append(name)
        elif found != value.shape:
            fit.misshapen.append(name)
        else:
            fit.fitting.append(name)
    return fit
