"""Look at everything a run will read before anything is built.

A run that stops after an hour because the validation images are elsewhere
is an hour lost; on a cluster, an hour of many.
"""

import inspect
import os.path as osp
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from ..checkpoints import is_pretrained
from ..checkpoints.fetch import fetch_together, is_url, unusable
from ..checkpoints.resume import not_resumable, unreadable
from ..errors import CheckpointError, DataError
from ..walk import nodes, type_name

# A dataset is whatever has one of these.
_PLACES = ('data_root', 'ann_file', 'data_prefix')


def check_data(cfg: Config, loaders: Sequence[str]) -> None:
    """Check that the files and folders of all datasets exist.

    Datasets inside wrappers (repeated, concatenated, ...) are found too.
    Those that download themselves, or lie behind a file client or a URL,
    are left to themselves.

    Args:
        cfg (Config): The config of the run.
        loaders (Sequence[str]): The data loaders that the run will build.

    Raises:
        DataError: If something is missing. The message names each data
            loader, the path and the option that corrects it.
    """
    problems, options = [], []
    for loader in loaders:
        for key, dataset in _datasets(cfg.get(loader), loader):
            missing = _first_missing(dataset)
            if missing is None or _downloads(dataset, cfg):
                continue
            place, value, path = missing
            problems.append(
                f'{loader}: {place.split(".")[0]} {value!r} of dataset '
                f'{type_name(dataset.get("type")) or "?"} does not exist (looked at '
                f'{path})'
            )
            fix = (
                place
                if place == 'data_root' or 'data_root' not in dataset
                else 'data_root'
            )
            options.append(f'{key}.{fix}=/path/to/data')
    if problems:
        raise DataError(
            '\n'.join(problems) + '\nIf the data lies elsewhere, say where: '
            f'--cfg-options {" ".join(options)}'
        )


def check_checkpoint(path: str | None, asked_by: str, resume: bool = False) -> None:
    """Check that a checkpoint can be loaded.

    All ranks call it: one behind a URL is downloaded. Those behind another
    scheme (s3, ...) are left to MMEngine.

    Args:
        path (str, optional): The file; None is always accepted.
        asked_by (str): The option or config key that named it.
        resume (bool): Whether training goes on from it. Defaults to False.

    Raises:
        CheckpointError: If there is no such file, or it can't be loaded
            without running code.
    """
    if path and is_url(path):
        file = fetch_together(path)
        problem = not_resumable(file) if resume else unreadable(file)
        if problem is not None:
            raise CheckpointError(f'{asked_by}: {unusable(path, file, problem)}')
        return
    if not path or '://' in path:
        return
    path = osp.abspath(osp.expanduser(path))
    if not osp.isfile(path):
        raise CheckpointError(
            f'{asked_by}: there is no checkpoint at {path}. Name one that is there'
        )
    problem = not_resumable(path) if resume else unreadable(path)
    if problem is not None:
        raise CheckpointError(
            f"{asked_by}: {path} can't be loaded: {problem}. Name another checkpoint"
        )


def check_pretrained(node: Any, key: str = 'model') -> None:
    """Check that the weights which a model starts from are there.

    Args:
        node: The model's config, or a part of it.
        key (str): Where that stands in the config. Defaults to 'model'.

    Raises:
        CheckpointError: If a file is missing or damaged. The message names
            the option that corrects it.
    """
    for where, part in nodes(node, key):
        if is_pretrained(part):
            check_checkpoint(part.get('checkpoint'), f'{where}.checkpoint')


def _datasets(node, key: str) -> Iterator[tuple[str, Mapping]]:
    """Walk a data loader's config; yield datasets with their full key."""
    for where, part in nodes(node, key):
        in_pipeline = 'pipeline' in where.removeprefix(key).split('.')
        if not in_pipeline and any(place in part for place in _PLACES):
            yield where, part


def _first_missing(dataset: Mapping) -> tuple[str, str, str] | None:
    """The key, value and absolute path of the first thing that is missing."""
    if _is_remote(dataset):
        return None
    root = dataset.get('data_root') or ''
    places: list[tuple[str, object]] = [
        ('data_root', root),
        ('ann_file', dataset.get('ann_file')),
    ]
    prefix = dataset.get('data_prefix')
    if isinstance(prefix, Mapping):
        places += [(f'data_prefix.{name}', value) for name, value in prefix.items()]
    else:
        places.append(('data_prefix', prefix))
    for place, value in places:
        if not isinstance(value, str) or not value:
            continue
        path = osp.expanduser(value)
        if place != 'data_root':
            path = osp.join(osp.expanduser(root), path)
        if not osp.exists(path):
            return place, value, osp.abspath(path)
    return None


def _is_remote(dataset: Mapping) -> bool:
    args = dataset.get('backend_args') or dataset.get('file_client_args') or {}
    if args.get('backend', 'local') not in ('local', 'disk'):
        return True
    values = [dataset.get(place) for place in _PLACES]
    return any(isinstance(value, str) and '://' in value for value in values)


def _downloads(dataset: Mapping, cfg: Config) -> bool:
    """Whether the dataset fetches itself where it is missing."""
    if 'download' in dataset:
        return bool(dataset['download'])
    with DATASETS.switch_scope_and_registry(
        cfg.get('default_scope') or 'mmengine'
    ) as registry:
        kind = dataset.get('type')
        cls = registry.get(kind) if isinstance(kind, str) else kind
    if not isinstance(cls, type):
        return False
    # mmpretrain's CIFAR and MNIST do unless told otherwise.
    option = inspect.signature(cls).parameters.get('download')
    return option is not None and option.default is True
